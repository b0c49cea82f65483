//! Requests over TLS, and those that should have been.

use super::Stage;
use crate::support::{Latch, Script, eventually};

#[test]
fn the_backend_learns_that_the_request_came_over_tls() {
    let stage = Stage::start(&[&["a.test"]]);
    let mut secure = stage.client().connect("a.test");
    secure.get("/one");
    secure.get("/two");
    stage.coalmine.get("/three");
    let requests = stage.backend.requests();
    let protos: Vec<_> = requests.iter().map(|request| request.head.get("x-forwarded-proto").unwrap()).collect();
    assert_eq!(protos, ["https", "https", "http"]);
}

#[test]
fn a_response_that_breaks_off_does_not_look_whole() {
    let stage = Stage::start(&[&["a.test"]]);
    let latch = Latch::shut();
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n";
    stage.backend.on("/part", Script::new().send(head).flood(500_000).hold(&latch).close());
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nf423f\r\n";
    stage.backend.on("/chunk", Script::new().send(head).flood(500_000).hold(&latch).close());
    let client = stage.client();
    // The answer to a client of HTTP/1.0 ends with its connection.
    let requests = ["GET /part HTTP/1.1\r\nHost: a\r\n\r\n", "GET /chunk HTTP/1.0\r\nHost: a\r\n\r\n"];
    let begun = requests.map(|request| {
        let mut secure = client.connect("a.test");
        secure.send(request);
        assert!(secure.read().unwrap() > 0);
        (request, secure)
    });
    latch.open();
    for (request, mut secure) in begun {
        let answer = secure.receive();
        assert!(!answer.whole, "{request}: {:?} {}", answer.head, answer.text.len());
        assert!(answer.head.status() == 200, "{:?}", answer.head);
    }
    let mut secure = client.connect("a.test");
    secure.send("GET / HTTP/1.0\r\nHost: a\r\n\r\n");
    let answer = secure.receive();
    assert!(answer.whole && answer.text == "a", "{answer:?}");
    assert_eq!(secure.read().unwrap(), 0, "a whole one ends with close_notify");
}

#[test]
fn an_idle_connection_is_closed_by_a_stop_and_a_running_request_ends_first() {
    let mut stage = Stage::start(&[&["a.test"]]);
    let client = stage.client();
    let mut idle = client.connect("a.test");
    idle.get("/");
    let latch = Latch::shut();
    stage.backend.on("/slow", Script::new().hold(&latch).send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow"));
    let mut running = client.connect("a.test");
    running.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    eventually("it runs", || stage.backend.count() == 2);
    stage.coalmine.process.signal("TERM");
    assert_eq!(idle.read().unwrap(), 0);
    latch.open();
    let answer = running.receive();
    assert!(answer.whole && answer.text == "slow", "{answer:?}");
    assert_eq!(answer.head.get("connection").as_deref(), Some("close"));
    stage.coalmine.process.wait();
}

#[test]
fn an_idle_connection_ends_with_a_goodbye() {
    let stage = Stage::start_with(&[&["a.test"]], |config| config.listen("idle_timeout = \"100ms\""));
    let client = stage.client();
    let mut unused = client.connect("a.test");
    assert_eq!(unused.read().unwrap(), 0);
    let mut used = client.connect("a.test");
    used.get("/");
    assert_eq!(used.read().unwrap(), 0);
}

#[test]
fn large_bodies_pass_both_ways() {
    let stage = Stage::start(&[&["a.test"]]);
    stage.backend.on("/echo", Script::new().echo());
    let body = "0123456789abcdef".repeat(40_000);
    let mut secure = stage.client().connect("a.test");
    secure.send(format!("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
    let answer = secure.receive();
    assert!(answer.whole && answer.text.contains(&body), "{:?} {}", answer.head, answer.text.len());
}
