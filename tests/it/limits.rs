//! A backend is given no more than it is configured to take: the rest goes elsewhere, waits, or is refused.

use std::time::Duration;

use coalmine::model::CircuitLimits;

use crate::support::client::request;
use crate::support::plane::{Plane, retry_spec};
use crate::support::{Backend, Config, Latch, Script, Service, eventually};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
/// Longer than any test takes.
const PATIENT: Duration = Duration::from_secs(60);
const ONE: CircuitLimits = CircuitLimits { connections: 0, requests: 1, queue: 0, queue_timeout: PATIENT };

#[test]
fn a_full_backend_without_a_queue_refuses() {
    let (stable, latch) = holding("stable");
    let plane = Plane::start_with(retry_spec(), Some(ONE), 1).stable("s", stable.address).all_to_stable();
    let mut first = plane.connect();
    first.send(request("GET", "/hold", &[]));
    eventually("it has its place", || stable.count() == 1);
    let mut second = plane.connect();
    let refused = second.get("/");
    assert_eq!((refused.status(), refused.text().as_str()), (503, "503 service unavailable: full\n"));
    assert_eq!(refused.head.get("retry-after").as_deref(), Some("1"));
    assert_eq!(plane.metric("coalmine_circuit_refused_total", &[("backend", "s")]), 1.0);
    latch.open();
    assert_eq!(first.receive().text(), "ok");
    eventually("there is room again", || second.get("/").status() == 200);
    let sample = plane.sample("s");
    assert_eq!(sample.failed, 0, "being full is no failure");
}

#[test]
fn requests_wait_in_the_queue_for_their_turn() {
    let (stable, latch) = holding("stable");
    let limits = CircuitLimits { queue: 2, ..ONE };
    let plane = Plane::start_with(retry_spec(), Some(limits), 2).stable("s", stable.address).all_to_stable();
    let mut all: Vec<_> = (0..3).map(|_| plane.connect()).collect();
    for (n, connection) in all.iter_mut().enumerate() {
        connection.send(request("GET", &format!("/hold?{n}"), &[]));
        eventually("one more is in", || {
            plane.metric("coalmine_queue_length", &[]) + stable.count() as f64 == (n + 1) as f64
        });
    }
    assert_eq!(stable.count(), 1);
    assert_eq!(plane.get("/").status(), 503, "the queue is full");
    latch.open();
    for connection in &mut all {
        assert_eq!(connection.receive().text(), "ok");
    }
    let order: Vec<_> = stable.requests().iter().map(|request| request.head.word(1).to_owned()).collect();
    assert_eq!(order, ["/hold?0", "/hold?1", "/hold?2"]);
    assert_eq!(plane.metric("coalmine_queue_length", &[]), 0.0);
}

#[test]
fn a_full_canary_sends_its_requests_to_stable() {
    for queue in [0, 1] {
        let (canary, latch) = holding("canary");
        let stable = Backend::start("stable");
        let limits = CircuitLimits { queue, queue_timeout: Duration::from_millis(50), ..ONE };
        let plane = Plane::start_with(retry_spec(), Some(limits), 1)
            .stable("s", stable.address)
            .canary("c", canary.address)
            .all_to_canary();
        let mut first = plane.connect();
        first.send(request("POST", "/hold", &["Content-Length: 0"]));
        eventually("it has its place", || canary.count() == 1);
        assert_eq!(plane.get("/").text(), "stable");
        assert_eq!(plane.metric("coalmine_circuit_refused_total", &[("backend", "c")]), 1.0);
        assert_eq!(plane.metric("coalmine_retries_total", &[]), 0.0, "it never was on the canary");
        latch.open();
        assert_eq!(first.receive().text(), "ok");
        eventually("one pass", || plane.sample("c").passed == 1);
        assert_eq!(plane.sample("c").failed, 0);
    }
}

#[test]
fn who_waits_in_the_queue_of_a_canary_moves_when_it_is_ejected() {
    let (canary, _latch) = holding("canary");
    let stable = Backend::start("stable");
    let limits = CircuitLimits { queue: 1, ..ONE };
    let mut plane = Plane::start_with(retry_spec(), Some(limits), 1)
        .stable("s", stable.address)
        .canary("c", canary.address)
        .all_to_canary();
    let post = request("POST", "/hold", &["Content-Length: 0"]);
    let (mut first, mut second) = (plane.connect(), plane.connect());
    first.send(&post);
    eventually("it has its place", || canary.count() == 1);
    second.send(&post);
    eventually("it waits", || plane.metric("coalmine_queue_length", &[("backend", "c")]) == 1.0);
    plane.eject();
    assert_eq!(second.receive().text(), "stable");
    assert_eq!((canary.count(), stable.count()), (1, 1));
}

#[test]
fn a_full_member_of_stable_leaves_its_turn_to_one_with_room() {
    let (one, latch) = holding("one");
    let two = Backend::start("two");
    let limits = CircuitLimits { queue: 10, ..ONE };
    let plane = Plane::start_with(retry_spec(), Some(limits), 1)
        .stable("one", one.address)
        .stable("two", two.address)
        .all_to_stable();
    two.on("/hold", Script::answer(200, "two"));
    // Whoever has the first turn, after two of them one is held.
    let mut clients: Vec<_> = (0..2).map(|_| plane.connect()).collect();
    for client in &mut clients {
        client.send(request("GET", "/hold", &[]));
    }
    eventually("one is held, the other answers", || one.count() == 1 && two.count() == 1);
    for _ in 0..6 {
        eventually("its place is free", || plane.metric("coalmine_requests_in_flight", &[("backend", "two")]) == 0.0);
        assert_eq!(plane.get("/").text(), "two");
    }
    assert_eq!((one.count(), plane.metric("coalmine_circuit_refused_total", &[])), (1, 0.0));
    latch.open();
}

#[test]
fn an_idle_connection_of_another_worker_gives_way() {
    let backend = Backend::start("a");
    let limits = CircuitLimits { connections: 1, requests: 0, queue: 100, queue_timeout: PATIENT };
    let plane = Plane::start_with(retry_spec(), Some(limits), 3).stable("s", backend.address).all_to_stable();
    // Connections of clients land on any worker; enough of them reach more than one.
    let mut clients: Vec<_> = (0..16).map(|_| plane.connect()).collect();
    for _ in 0..3 {
        for client in &mut clients {
            assert_eq!(client.get("/").text(), "a");
        }
    }
    assert!(plane.metric("coalmine_backend_connections", &[]) <= 1.0);
    assert_eq!(plane.metric("coalmine_circuit_refused_total", &[]), 0.0);
}

#[test]
fn no_more_connections_are_open_than_the_limit_says() {
    let backend = Backend::start("a");
    backend.on("", Script::new().read_body().wait(Duration::from_millis(5)).send(OK));
    let limits = CircuitLimits { connections: 2, requests: 0, queue: 100, queue_timeout: PATIENT };
    let plane = Plane::start_with(retry_spec(), Some(limits), 2).stable("s", backend.address).all_to_stable();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut connection = plane.connect();
                for _ in 0..10 {
                    assert_eq!(connection.get("/").text(), "ok");
                    assert!(plane.metric("coalmine_backend_connections", &[]) <= 2.0);
                }
            });
        }
    });
    assert_eq!(backend.count(), 80);
    assert_eq!(plane.metric("coalmine_circuit_refused_total", &[]), 0.0);
}

#[test]
fn limits_hold_as_they_are_configured() {
    let (stable, latch) = holding("stable");
    let limits = "requests = 1\nqueue = 1\nqueue_timeout = \"60s\"";
    let service = Service::of("web", &[&stable], &[]).table("limits", limits);
    let coalmine = Config::new().service(service).start();
    let mut clients: Vec<_> = (0..2).map(|_| coalmine.connect()).collect();
    clients[0].send(request("GET", "/hold", &[]));
    eventually("it has its place", || stable.count() == 1);
    clients[1].send(request("POST", "/hold", &["Content-Length: 0"]));
    eventually("it waits", || coalmine.metric("coalmine_queue_length", &[("backend", "stable")]) == 1.0);
    let refused = coalmine.get("/");
    assert_eq!((refused.status(), refused.text().as_str()), (503, "503 service unavailable: full\n"));
    assert_eq!(refused.head.get("retry-after").as_deref(), Some("1"));
    assert_eq!(stable.count(), 1);
    latch.open();
    for client in &mut clients {
        assert_eq!(client.receive().text(), "ok");
    }
    eventually("there is room again", || coalmine.get("/").status() == 200);
    assert_eq!(coalmine.metric("coalmine_backend_failures_total", &[]), 0.0);
}

#[test]
fn the_time_in_the_queue_is_not_the_backends() {
    let stable = Backend::start("stable");
    stable.on("/silent", Script::new().await_end());
    stable.on("/slow", Script::new().read_body().wait(Duration::from_millis(500)).send(OK));
    let service = Service::of("web", &[&stable], &[])
        .table("limits", "requests = 1\nqueue = 1\nqueue_timeout = \"60s\"")
        .table("timeout", "response = \"5s\"");
    let coalmine = Config::new().service(service).start();
    let (mut first, mut second) = (coalmine.connect(), coalmine.connect());
    first.send(request("GET", "/silent", &[]));
    eventually("it has its place", || stable.count() == 1);
    second.send(request("GET", "/slow", &[]));
    assert_eq!(first.receive().status(), 504);
    assert_eq!(second.receive().text(), "ok", "it has the whole timeout once it has its place");
}

/// A backend that keeps requests for `/hold` waiting.
fn holding(id: &str) -> (Backend, Latch) {
    let (backend, latch) = (Backend::start(id), Latch::shut());
    backend.on("/hold", Script::new().read_body().hold(&latch).send(OK));
    (backend, latch)
}
