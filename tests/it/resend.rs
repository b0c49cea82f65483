//! A stale pooled connection does not cost a client an error, and nothing is done twice that must not be.

use crate::support::client::{Response, request};
use crate::support::coalmine::Coalmine;
use crate::support::{Backend, Config, Connection, Latch, Script, eventually};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[test]
fn safe_requests_are_sent_again_when_a_reused_connection_closes_without_a_byte() {
    let (backend, coalmine) = closes_when_reused("/x");
    for (n, method) in [(1, "GET"), (2, "HEAD"), (3, "OPTIONS")] {
        let mut connection = primed(&coalmine);
        assert_eq!(connection.request(method, "/x", &[]).status(), 200, "{method}");
        assert_eq!(backend.counts()[&format!("{method} /x")], 2, "{method}");
        assert_eq!(coalmine.metric("coalmine_resends_total", &[("backend", "a")]), f64::from(n));
    }
}

#[test]
fn the_same_holds_when_the_reused_connection_is_reset() {
    let (backend, coalmine) = closes_when_reused("/x");
    backend.on_reused("/x", Script::new().reset());
    assert_eq!(primed(&coalmine).get("/x").status(), 200);
    assert_eq!(backend.counts()["GET /x"], 2);
}

#[test]
fn other_methods_are_never_sent_twice() {
    let (backend, coalmine) = closes_when_reused("/x");
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        let mut connection = primed(&coalmine);
        connection.send(request(method, "/x", &["Content-Length: 3"]) + "abc");
        assert_closed(&connection.receive());
        assert_eq!(backend.counts()[&format!("{method} /x")], 1, "{method}");
    }
    let mut connection = primed(&coalmine);
    assert_closed(&connection.request("POST", "/x", &["Content-Length: 0"]));
    assert_eq!(backend.counts()["POST /x"], 2);
    assert_eq!(coalmine.metric("coalmine_resends_total", &[]), 0.0);
}

#[test]
fn a_get_with_a_body_is_never_sent_twice() {
    let (backend, coalmine) = closes_when_reused("/x");
    let mut connection = primed(&coalmine);
    connection.send(request("GET", "/x", &["Content-Length: 3"]) + "abc");
    assert_closed(&connection.receive());
    assert_eq!(backend.counts()["GET /x"], 1);
}

#[test]
fn a_get_is_sent_again_once_only() {
    let (backend, coalmine) = closes_when_reused("/x");
    backend.on("/x", Script::new().read_body().close());
    assert_closed(&primed(&coalmine).get("/x"));
    assert_eq!(backend.counts()["GET /x"], 2);
}

#[test]
fn a_get_on_a_fresh_connection_is_not_sent_again() {
    let backend = Backend::start("a");
    backend.on("/x", Script::new().read_body().close());
    let coalmine = Config::of(&[&backend], &[]).start();
    assert_closed(&coalmine.get("/x"));
    assert_eq!(backend.count(), 1);
}

#[test]
fn a_get_that_got_a_byte_is_not_sent_again() {
    let (backend, coalmine) = closes_when_reused("/x");
    backend.on_reused("/x", Script::new().send("HTTP/1.1 200 O").close());
    assert_eq!(primed(&coalmine).get("/x").status(), 502);
    assert_eq!(backend.counts()["GET /x"], 1);
}

#[test]
fn a_post_goes_over_a_fresh_connection_when_the_pooled_one_was_closed_while_idle() {
    let backend = Backend::start("a");
    let latch = Latch::shut();
    backend.on("/prime", Script::new().read_body().send(OK).hold(&latch).half_close());
    let coalmine = Config::of(&[&backend], &[]).listen("workers = 1").start();
    let mut connection = coalmine.connect();
    assert_eq!(connection.get("/prime").status(), 200);
    latch.open();
    eventually("the balancer saw the end", || backend.ended() == 1);
    connection.send(request("POST", "/x", &["Content-Length: 3"]) + "abc");
    assert_eq!(connection.receive().status(), 200);
    assert_eq!(backend.counts()["POST /x"], 1);
}

#[test]
fn a_backend_that_closes_after_every_answer_costs_no_client_an_error() {
    let backend = Backend::start("a");
    backend.on("", Script::new().read_body().send(OK).close());
    let coalmine = Config::of(&[&backend], &[]).listen("workers = 1").start();
    let mut connection = coalmine.connect();
    for _ in 0..100 {
        assert_eq!(connection.get("/").text(), "ok");
    }
}

#[test]
fn an_idle_connection_is_used_again() {
    let backend = Backend::start("a");
    let coalmine = Config::of(&[&backend], &[]).listen("workers = 1").start();
    let mut connection = coalmine.connect();
    for _ in 0..20 {
        connection.get("/");
    }
    let first = backend.requests()[0].connection;
    assert!(backend.requests().iter().all(|request| request.connection == first));
}

#[test]
fn an_idle_connection_is_closed_when_its_time_is_over() {
    let backend = Backend::start("a");
    backend.on("/last", Script::new().read_body().send(OK).await_end());
    let service = crate::support::Service::of("web", &[&backend], &[]).table("pool", "idle_timeout = \"200ms\"");
    let coalmine = Config::new().service(service).start();
    assert_eq!(coalmine.get("/last").text(), "ok");
    eventually("the connection ends", || backend.ended() == 1);
    eventually("it is not counted any more", || coalmine.metric("coalmine_backend_connections", &[]) == 0.0);
}

/// A backend that answers `path` on a fresh connection, and closes a reused one without a byte.
fn closes_when_reused(path: &str) -> (Backend, Coalmine) {
    let backend = Backend::start("a");
    // Fits a HEAD as well.
    let bodiless = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    backend.on(path, Script::new().read_body().send(bodiless));
    backend.on_reused(path, Script::new().read_body().close());
    backend.on("/prime", Script::new().read_body().send(bodiless));
    let coalmine = Config::of(&[&backend], &[]).listen("workers = 1").start();
    (backend, coalmine)
}

/// A client's connection to a balancer that has an idle connection to its backend.
#[track_caller]
fn primed(coalmine: &Coalmine) -> Connection {
    let mut connection = coalmine.connect();
    assert_eq!(connection.get("/prime").status(), 200);
    connection
}

#[track_caller]
fn assert_closed(response: &Response) {
    assert_eq!(response.status(), 502);
    assert!(response.text().contains("closed"), "{}", response.text());
}
