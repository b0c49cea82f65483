//! Slow clients: each is cut off by the limit that it misses, none holds memory, and nobody is blamed for a backend.

use std::thread;
use std::time::{Duration, Instant};

use crate::support::client::{Broken, request};
use crate::support::eventually::eventually_some;
use crate::support::{Backend, Config, Connection, Script, Service, for_a_while};

const MIB: u64 = 1024 * 1024;
/// No client is too slow before 10 s; what comes after that has time.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn who_is_slow_with_a_head_or_says_nothing_is_counted() {
    let backend = Backend::start("a");
    let config = Config::of(&[&backend], &[]).listen("header_timeout = \"500ms\"\nidle_timeout = \"1s\"");
    let coalmine = config.start();
    let mut half = coalmine.connect();
    half.send("GET / HTTP/1.1\r\nHost:");
    assert!(half.receive_to_end().is_ok());
    assert_eq!(coalmine.refused("header_timeout"), 1.0);
    assert!(coalmine.connect().receive_to_end().is_ok());
    assert_eq!(coalmine.refused("idle"), 1.0);
    let mut served = eventually_some("a request is served", || {
        let mut connection = coalmine.connect();
        connection.try_send(request("GET", "/", &[])).ok()?;
        connection.try_receive().ok().map(|_| connection)
    });
    let before = coalmine.refused("idle");
    assert!(served.receive_to_end().is_ok());
    assert_eq!(coalmine.refused("idle"), before, "to be idle between two requests is nothing to count");
}

#[test]
fn a_body_that_stands_still_is_counted() {
    let backend = Backend::start("a");
    let service = Service::of("web", &[&backend], &[]).table("timeout", "idle = \"300ms\"");
    let coalmine = Config::new().service(service).start();
    let mut connection = coalmine.connect();
    connection.send(request("POST", "/", &["Content-Length: 10"]) + "abc");
    let response = connection.receive();
    assert_eq!((response.status(), response.head.get("connection").as_deref()), (408, Some("close")));
    assert_eq!(coalmine.refused("idle"), 1.0);
}

#[test]
fn an_upload_that_only_trickles_is_cut_off() {
    let backend = Backend::start("a");
    let coalmine = Config::of(&[&backend], &[]).limits("body_rate = 1000").start();
    let mut slow = coalmine.connect();
    let start = Instant::now();
    slow.send(request("POST", "/", &["Content-Length: 100000"]));
    while slow.try_send("x").is_ok() && !slow.has_ended() {
        assert!(start.elapsed() < PATIENCE, "not cut off");
        for_a_while(Duration::from_millis(100));
    }
    let response = slow.receive();
    assert_eq!((response.status(), response.text().as_str()), (408, "408 request timeout: body\n"));
    assert!(start.elapsed() >= Duration::from_secs(10), "{:?}", start.elapsed());
    assert_eq!(coalmine.refused("body_rate"), 1.0);
    assert_eq!(coalmine.metric("coalmine_backend_failures_total", &[]), 0.0);
}

#[test]
fn a_client_that_does_not_take_its_answer_is_cut_off() {
    let backend = Backend::start("a");
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 256 * MIB);
    backend.on("/big", Script::new().send(head).flood(256 * MIB));
    let coalmine = Config::of(&[&backend], &[]).limits("body_rate = 1000").start();
    let mut slow = coalmine.connect();
    slow.send(request("GET", "/big", &[]));
    in_time("it is cut off", || coalmine.refused("body_rate") == 1.0);
    assert!(slow.receive_to_end().is_err(), "a reset: the answer is not whole");
}

#[test]
fn a_slow_backend_is_no_slow_client() {
    let backend = Backend::start("a");
    let pause = Duration::from_secs(12);
    let (head, rest) = ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nda\r\n", "2\r\nta\r\n0\r\n\r\n");
    backend.on("/events", Script::new().send(head).wait(pause).send(rest));
    backend.on("/late", Script::new().wait(pause).read_body().send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
    let service = Service::of("web", &[&backend], &[]).table("timeout", "response = \"60s\"");
    let coalmine = Config::new().service(service).limits("body_rate = 1000000000").start();
    thread::scope(|scope| {
        scope.spawn(|| assert_eq!(patient(coalmine.http, request("GET", "/events", &[])), "data"));
        let upload = request("POST", "/late", &["Content-Length: 8000000"]) + &"x".repeat(8_000_000);
        scope.spawn(|| assert_eq!(patient(coalmine.http, upload), "ok"));
    });
    assert_eq!(coalmine.refused("body_rate"), 0.0);
}

#[test]
fn clients_that_do_not_read_hold_no_memory() {
    const CLIENTS: u64 = 200;
    let backend = Backend::start("a");
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 10 * MIB);
    backend.on("/big", Script::new().send(head).flood(10 * MIB));
    // A machine that is starved must not make anybody give up.
    let service = Service::of("web", &[&backend], &[]).table("timeout", "response = \"10m\"\nidle = \"10m\"");
    let coalmine = Config::new().service(service).start();
    let before = coalmine.memory();
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| Connection::open_narrow(coalmine.http)).collect();
    for client in &mut clients {
        client.send(request("GET", "/big", &[]));
    }
    in_time("all are answered", || backend.count() as u64 == CLIENTS);
    let mut flooded = 0;
    in_time("nothing moves", || {
        for_a_while(Duration::from_millis(500));
        std::mem::replace(&mut flooded, backend.flooded()) == backend.flooded()
    });
    let held = coalmine.memory().saturating_sub(before);
    // Of each, what is on its way between two sockets: a fraction of what was asked for.
    assert!(held < CLIENTS * 640, "{held} KiB for {CLIENTS} clients");
    assert_eq!(Connection::open(coalmine.http).get("/").text(), "a");
}

/// As `eventually`, with more time.
#[track_caller]
fn in_time(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        for_a_while(Duration::from_millis(100));
    }
}

/// The body of the answer to `bytes`, however long it takes.
#[track_caller]
fn patient(address: std::net::SocketAddr, bytes: String) -> String {
    let mut connection = Connection::open_patiently(address, PATIENCE);
    connection.send(bytes);
    match connection.try_receive() {
        Ok(response) => response.text(),
        Err(Broken::NoHead | Broken::InBody(_) | Broken::Failed(_)) => panic!("no whole answer"),
    }
}
