//! No client of HTTP/2 loses a request because the balancer stops, is reloaded or is replaced.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use h2::Reason;

use crate::support::http2::{self, Http2};
use crate::support::{Backend, Config, Latch, Lineage, Script, eventually, for_a_while};

#[test]
fn a_stop_lets_running_requests_finish_and_tells_their_client_to_go() {
    let backend = Backend::start("a");
    let latch = Latch::shut();
    backend.on("/slow", Script::new().hold(&latch).send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow"));
    let mut coalmine = Config::of(&[&backend], &[]).start();
    let mut client = Http2::open(coalmine.http);
    let running: Vec<_> = (0..3).map(|_| client.begin(http2::get("/slow"), true)).collect();
    eventually("the requests arrived", || backend.count() == 3);
    coalmine.process.signal("TERM");
    eventually("no further request is sent", || client.try_begin(http2::get("/"), true).is_err());
    assert!(!coalmine.process.has_ended());
    latch.open();
    for exchange in running {
        assert_eq!(exchange.answer().unwrap().text(), "slow");
    }
    assert!(client.ended().is_ok());
    assert_eq!(coalmine.process.wait().code, Some(0));
}

#[test]
fn a_stop_waits_for_no_idle_connection() {
    let backend = Backend::start("a");
    let mut coalmine = Config::of(&[&backend], &[]).start();
    let (mut used, mut unused) = (Http2::open(coalmine.http), Http2::open(coalmine.http));
    assert_eq!(used.get("/").text(), "a");
    coalmine.process.signal("TERM");
    assert_eq!(coalmine.process.wait().code, Some(0));
    assert!(used.ended().is_ok() && unused.ended().is_ok());
}

#[test]
fn a_lame_duck_serves_on_and_tells_who_asks_to_go() {
    let backend = Backend::start("a");
    let mut coalmine = Config::of(&[&backend], &[]).listen("lame_duck = \"60s\"").start();
    let steady = Steady::start(coalmine.http, 3);
    eventually("requests go on", || steady.begun() > 50);
    let mut idle = Http2::open(coalmine.http);
    assert_eq!(idle.get("/").text(), "a");
    coalmine.process.signal("TERM");
    eventually("it says that it stops", || coalmine.ask("GET", "/readyz").status() == 503);
    let begun = steady.begun();
    eventually("requests go on", || steady.begun() > begun + 50);
    assert_eq!(idle.get("/").text(), "a");
    assert!(idle.ended().is_ok());
    steady.stop(&backend);
    coalmine.process.signal("TERM");
    assert_eq!(coalmine.process.wait().code, Some(0), "a second signal ends it at once");
}

#[test]
fn upgrades_and_reloads_fail_no_request() {
    let backend = Backend::start("a");
    let mut coalmine = Config::of(&[&backend], &[]).start();
    let lineage = Lineage::of(&coalmine);
    let steady = Steady::start(coalmine.http, 3);
    for _ in 0..3 {
        let begun = steady.begun();
        lineage.upgrade();
        eventually("requests go on", || steady.begun() > begun + 50);
        assert_eq!(coalmine.ask("POST", "/api/v1/reload").status(), 200);
    }
    steady.stop(&backend);
    lineage.wait_old_ended();
    assert_eq!(coalmine.process.wait_code(), Some(0));
}

/// Clients that ask again and again, several times at once on each connection, and open a new one when they are told to
/// go. A request that crosses the GOAWAY is sent again, as RFC 9113 says (6.8).
struct Steady {
    go_on: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<Tally>>,
}

#[derive(Debug, Default)]
struct Tally {
    failures: Vec<String>,
    /// Targets of the requests of which GOAWAY said that nobody has seen them.
    unseen: Vec<String>,
}

impl Steady {
    fn start(address: SocketAddr, clients: usize) -> Self {
        let (go_on, answered) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
        let client = |name| {
            let (go_on, answered) = (go_on.clone(), answered.clone());
            thread::spawn(move || work(name, address, &go_on, &answered))
        };
        let clients = (0..clients).map(client).collect();
        Self { go_on, answered, clients }
    }

    fn begun(&self) -> usize {
        self.answered.load(Ordering::SeqCst)
    }

    /// Every request must have been answered, or not have been seen.
    #[track_caller]
    fn stop(self, backend: &Backend) {
        self.go_on.store(false, Ordering::SeqCst);
        let seen = backend.counts();
        for client in self.clients {
            let Tally { failures, unseen } = client.join().unwrap();
            assert_eq!(failures, Vec::<String>::new());
            let lost = unseen.iter().find(|path| seen.contains_key(&format!("GET {path}")));
            assert_eq!(lost, None, "it was worked on");
        }
    }
}

fn work(name: usize, address: SocketAddr, go_on: &AtomicBool, answered: &AtomicUsize) -> Tally {
    let mut tally = Tally::default();
    let mut client = Http2::open(address);
    let mut paths = (0..).map(|n| format!("/{name}-{n}"));
    while go_on.load(Ordering::SeqCst) {
        let next: Vec<_> = paths.by_ref().take(3).collect();
        let begun: Vec<_> =
            next.iter().map_while(|path| Some((path, client.try_begin(http2::get(path), true).ok()?))).collect();
        let mut told_to_go = begun.len() < next.len();
        for (path, exchange) in begun {
            match exchange.answer() {
                Ok(answer) if answer.status == 200 => _ = answered.fetch_add(1, Ordering::SeqCst),
                Ok(answer) => tally.failures.push(format!("{answer:?}")),
                Err(error) if error.is_go_away() && error.is_remote() && error.reason() == Some(Reason::NO_ERROR) => {
                    tally.unseen.push(path.clone());
                    told_to_go = true;
                }
                Err(error) => tally.failures.push(error.to_string()),
            }
        }
        if told_to_go {
            client = Http2::open(address);
        }
        for_a_while(Duration::from_millis(1));
    }
    tally
}
