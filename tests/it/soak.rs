//! Everything at once: no answer reaches the wrong client, nothing is lost, and nothing is left behind.

use std::fs;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use fastrand::Rng;

use crate::support::client::{Response, request};
use crate::support::coalmine::Coalmine;
use crate::support::{Backend, Config, Connection, Script, Service, eventually};

const CLIENTS: u64 = 8;
const REQUESTS: usize = 50;
/// One side of each exchange stands still in between, which larger bodies than the socket buffers make likely.
const MIB: usize = 1024 * 1024;

#[test]
fn a_mixed_crowd_gets_its_own_answers_and_leaves_nothing_behind() {
    let (one, two) = (Backend::start("one"), Backend::start("two"));
    let closing = Backend::start("closing");
    for backend in [&one, &two] {
        backend.on("", Script::new().echo());
        backend.on("/chunks", Script::new().echo_chunked());
        backend.on("/polite", Script::new().read_body().send(SAYS_CLOSE).close());
    }
    closing.on("", Script::new().read_body().send(JUST_CLOSES).close());
    let service = Service::of("closing", &[&closing], &[]).key("path_prefix = \"/closing\"");
    let coalmine = Config::of(&[&one, &two], &[]).service(service).listen("workers = 2").start();

    crowd(coalmine.http, 0);
    settled(&coalmine);
    let (files, memory) = (files(&coalmine), coalmine.memory());
    crowd(coalmine.http, CLIENTS);
    settled(&coalmine);

    assert_eq!(coalmine.metric("coalmine_requests_total", &[("class", "5xx")]), 0.0);
    assert_eq!(coalmine.metric("coalmine_backend_failures_total", &[]), 0.0);
    let (files_now, memory_now) = (self::files(&coalmine), coalmine.memory());
    assert!(files_now <= files + 2 * CLIENTS, "{files_now} open files after {files}");
    assert!(memory_now <= memory + 32 * 1024, "{memory_now} KiB after {memory}");
    assert!(coalmine.is_ready());
}

const SAYS_CLOSE: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";
const JUST_CLOSES: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// All clients at once, each with a seed of its own.
fn crowd(address: SocketAddr, first: u64) {
    thread::scope(|scope| {
        for seed in first..first + CLIENTS {
            scope.spawn(move || Client::new(address, seed).run());
        }
    });
}

/// Waits until the clients are gone and no more connections to backends are open than a pool may keep.
fn settled(coalmine: &Coalmine) {
    eventually("no request is in flight", || coalmine.metric("coalmine_requests_in_flight", &[]) == 0.0);
    eventually("the clients are gone", || coalmine.metric("coalmine_client_connections", &[]) == 0.0);
    eventually("what the backend closed is closed", || {
        coalmine.metric("coalmine_backend_connections", &[("backend", "closing")]) == 0.0
    });
    // Never more than there were requests at once.
    assert!(coalmine.metric("coalmine_backend_connections", &[]) <= (2 * CLIENTS) as f64);
}

struct Client {
    address: SocketAddr,
    connection: Connection,
    random: Rng,
    name: String,
}

impl Client {
    fn new(address: SocketAddr, seed: u64) -> Self {
        let name = format!("client-{seed}");
        Self { address, connection: Connection::open(address), random: Rng::with_seed(seed), name }
    }

    fn run(mut self) {
        for n in 0..REQUESTS {
            let id = format!("{}-{n}-", self.name);
            match self.random.u8(0..12) {
                0..4 => self.small(&id),
                4 => self.pipelined(&id),
                5 => self.large(&id, 0),
                6 => self.large(&id, 8),
                7 => self.chunked(&id),
                8 => assert_eq!(self.connection.get("/polite").text(), "ok"),
                9 => assert_eq!(self.connection.get("/closing").text(), "ok"),
                _ => self.abort(&id),
            }
        }
    }

    fn small(&mut self, id: &str) {
        let response = self.connection.get(&format!("/small?{id}"));
        assert_own(&response, id, "");
    }

    fn pipelined(&mut self, id: &str) {
        let targets: Vec<_> = (0..4).map(|n| format!("/small?{id}{n}-")).collect();
        self.connection.send(targets.iter().map(|target| request("GET", target, &[])).collect::<String>());
        for n in 0..4 {
            assert_own(&self.connection.receive(), &format!("{id}{n}-"), "");
        }
    }

    /// Both ways; the client reads in so many slow steps at first.
    fn large(&mut self, id: &str, steps: u32) {
        let body = self.body(id, MIB);
        let length = format!("Content-Length: {}", body.len());
        self.connection.send(request("POST", &format!("/large?{id}"), &[&length]) + &body);
        self.connection.dawdle(steps, Duration::from_millis(3));
        assert_own(&self.connection.receive(), id, &body);
    }

    fn chunked(&mut self, id: &str) {
        let length = self.random.usize(1..200_000);
        let body = self.body(id, length);
        let fields = ["TE: trailers", "Transfer-Encoding: chunked", "Trailer: X-Check"];
        self.connection.send(request("POST", &format!("/chunks?{id}"), &fields));
        let mut rest = body.as_str();
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(self.random.usize(1..=60_000).min(rest.len()));
            self.connection.send(format!("{:x}\r\n{piece}\r\n", piece.len()));
            rest = after;
        }
        self.connection.send(format!("0\r\nX-Check: {id}\r\n\r\n"));
        let response = self.connection.receive();
        assert_own(&response, id, &body);
        assert!(response.text().ends_with(&format!("\r\nx-check: {id}\r\n")), "the trailer of {id} is lost");
        assert_eq!(response.body.trailers, [("x-length".to_owned(), body.len().to_string())]);
    }

    /// Goes away somewhere within its request or the answer to it.
    fn abort(&mut self, id: &str) {
        let body = self.body(id, MIB);
        let length = format!("Content-Length: {}", body.len());
        let bytes = request("POST", &format!("/large?{id}"), &[&length]) + &body;
        if self.random.bool() {
            self.connection.send(&bytes[..self.random.usize(1..bytes.len())]);
        } else {
            self.connection.send(bytes);
            let steps = self.random.u32(0..8);
            self.connection.dawdle(steps, Duration::ZERO);
        }
        self.connection = Connection::open(self.address);
    }

    fn body(&mut self, id: &str, length: usize) -> String {
        let mut body = id.repeat(length / id.len() + 1);
        // Two bodies of one request would differ as well.
        body.push_str(&self.random.u64(..).to_string());
        body
    }
}

/// The answer to the request with this id and body, all of it.
#[track_caller]
fn assert_own(response: &Response, id: &str, body: &str) {
    assert_eq!(response.status(), 200, "{id}: {:.300}", response.text());
    let text = response.text();
    let target = text.split(' ').nth(1).unwrap_or_default();
    assert!(target.ends_with(&format!("?{id}")), "{id} got the answer to {target}");
    let echoed = text.split_once("\r\n\r\n").map_or("", |(_, rest)| rest).split("\r\n").next();
    assert!(echoed == Some(body), "the body of {id} is another");
}

fn files(coalmine: &Coalmine) -> u64 {
    fs::read_dir(format!("/proc/{}/fd", coalmine.process.pid())).unwrap().count() as u64
}
