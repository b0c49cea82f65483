//! Clients do not see a failing canary: what failed there is answered by stable, and nothing runs twice that must not.

use std::time::Duration;

use coalmine::model::RetrySpec;
use http::StatusCode;

use crate::support::backend::Refusing;
use crate::support::client::request;
use crate::support::coalmine::Coalmine;
use crate::support::plane::{Plane, retry_spec};
use crate::support::{Backend, Config, Latch, Script, Service, eventually};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const SHORT: &str = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc";

#[test]
fn whatever_a_canary_does_to_a_get_stable_answers_it() {
    for (cause, script) in [
        ("closed", Script::new().read_body().close()),
        ("closed", Script::new().read_body().reset()),
        ("malformed", Script::new().read_body().send("SSH-2.0-OpenSSH_9.2\r\n\r\n").await_end()),
        ("malformed", Script::new().send("HTTP/1.1 101 Switching Protocols\r\n\r\n").await_end()),
        ("status", Script::answer(500, "broken")),
        ("status", Script::answer(502, "broken")),
        ("status", Script::answer(503, "broken")),
        ("status", Script::answer(504, "broken")),
        ("status", Script::new().send("HTTP/1.1 500 x\r\nContent-Length: 1000000\r\n\r\nabc").await_end()),
        ("body", Script::new().send(SHORT).close()),
        ("body", Script::new().send(SHORT).reset()),
    ] {
        let (stable, canary, coalmine) = all_to_canary("60s");
        canary.on("/x", script);
        let response = coalmine.get("/x");
        assert_eq!((response.status(), response.text().as_str()), (200, "stable"), "{cause}");
        assert_eq!((canary.count(), stable.count()), (1, 1), "{cause}");
        assert_eq!(retries(&coalmine, cause), 1.0, "{cause}");
        let failures = coalmine.metric("coalmine_backend_failures_total", &[("kind", cause)]);
        assert_eq!(failures, if cause == "status" { 0.0 } else { 1.0 }, "{cause}");
        eventually("it is counted for stable alone", || {
            coalmine.metric("coalmine_requests_total", &[("track", "stable"), ("class", "2xx")]) == 1.0
        });
        assert_eq!(coalmine.metric("coalmine_requests_total", &[("track", "canary")]), 0.0, "{cause}");
    }
}

#[test]
fn silence_of_the_canary_is_over_after_the_response_timeout_and_stable_has_one_of_its_own() {
    let (stable, canary, coalmine) = all_to_canary("3s");
    canary.on("/x", Script::new().await_end());
    stable.on("/x", Script::new().read_body().wait(Duration::from_millis(20)).send(OK));
    assert_eq!(coalmine.get("/x").text(), "ok");
    assert_eq!((canary.count(), stable.count()), (1, 1));
    assert_eq!(retries(&coalmine, "timeout"), 1.0);
}

#[test]
fn a_connection_that_is_refused_costs_no_method_anything() {
    let (stable, nobody) = (Backend::start("stable"), Refusing::start());
    let plane = Plane::start(retry_spec()).stable("s", stable.address).canary("c", nobody.address).all_to_canary();
    stable.on("", Script::new().echo());
    let body = "0123456789".repeat(100_000);
    for method in ["GET", "POST", "PUT", "DELETE", "PATCH"] {
        let mut connection = plane.connect();
        connection.send(request(method, "/x", &[&format!("Content-Length: {}", body.len())]) + &body);
        let response = connection.receive();
        assert_eq!(response.status(), 200, "{method}");
        assert_eq!(stable.counts()[&format!("{method} /x")], 1);
    }
    assert!(stable.requests().iter().all(|request| request.body.bytes == body.as_bytes()));
    assert_eq!((plane.sample("c").failed, plane.sample("c").passed), (5, 0));
    eventually("stable passed each", || plane.sample("s").passed == 5);
    assert_eq!(plane.metric("coalmine_retries_total", &[("cause", "connect"), ("backend", "c")]), 5.0);
}

#[test]
fn head_and_options_are_retried_as_get_is() {
    let (stable, canary, coalmine) = all_to_canary("60s");
    stable.on("/x", Script::new().read_body().send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    canary.on("/x", Script::new().read_body().close());
    for method in ["HEAD", "OPTIONS"] {
        assert_eq!(coalmine.connect().request(method, "/x", &[]).status(), 200, "{method}");
        let key = format!("{method} /x");
        assert_eq!((canary.counts()[&key], stable.counts()[&key]), (1, 1), "{method}");
    }
}

#[test]
fn what_may_not_run_twice_is_sent_once() {
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        let (stable, canary, coalmine) = all_to_canary("60s");
        canary.on("/x", Script::new().read_body().close());
        canary.on("/status", Script::answer(500, "mine"));
        let mut connection = coalmine.connect();
        connection.send(request(method, "/x", &["Content-Length: 3"]) + "abc");
        let response = connection.receive();
        assert_eq!((response.status(), response.text().contains("closed")), (502, true), "{method}");
        connection.send(request(method, "/status", &["Content-Length: 3"]) + "abc");
        let response = connection.receive();
        assert_eq!((response.status(), response.text().as_str()), (500, "mine"), "{method}");
        assert_eq!((canary.count(), stable.count()), (2, 0), "{method}");
        assert_eq!(coalmine.metric("coalmine_retries_total", &[]), 0.0, "{method}");
    }
}

#[test]
fn put_and_delete_are_retried_where_the_service_says_so() {
    let (stable, canary) = (Backend::start("stable"), Backend::start("canary"));
    let spec = RetrySpec { idempotent: true, ..retry_spec() };
    let plane = Plane::start(spec).stable("s", stable.address).canary("c", canary.address).all_to_canary();
    canary.on("", Script::new().read_body().close());
    for (method, stable_count) in [("PUT", 1), ("DELETE", 2), ("POST", 2)] {
        let mut connection = plane.connect();
        connection.send(request(method, "/x", &["Content-Length: 3"]) + "abc");
        let status = if method == "POST" { 502 } else { 200 };
        assert_eq!((connection.receive().status(), stable.count()), (status, stable_count), "{method}");
    }
    assert!(stable.requests().iter().all(|request| request.body.bytes == b"abc"));
}

#[test]
fn a_body_comes_again_with_its_trailers_when_it_fits_the_buffer() {
    let (stable, canary, coalmine) = all_to_canary("60s");
    canary.on("/x", Script::new().read_body().close());
    let mut connection = coalmine.connect();
    connection.send(request("GET", "/x", &["Transfer-Encoding: chunked", "Trailer: X-Check"]));
    connection.send("3\r\nabc\r\n4\r\ndefg\r\n0\r\nX-Check: 7\r\n\r\n");
    assert_eq!(connection.receive().text(), "stable");
    let [request] = &stable.requests()[..] else { panic!("one request") };
    assert_eq!(request.body.bytes, b"abcdefg");
    assert_eq!(request.body.trailers, [("x-check".to_owned(), "7".to_owned())]);
}

#[test]
fn a_body_that_is_not_read_yet_goes_to_stable_as_it_comes() {
    let (stable, canary, coalmine) = all_to_canary("60s");
    // Answers before it has read anything.
    canary.on("/x", Script::new().send("HTTP/1.1 500 x\r\nContent-Length: 0\r\n\r\n").await_end());
    let mut connection = coalmine.connect();
    connection.send(request("GET", "/x", &["Content-Length: 6"]) + "abc");
    eventually("stable has what came", || stable.received() == 3);
    connection.send("def");
    assert_eq!(connection.receive().text(), "stable");
    assert_eq!(stable.requests()[0].body.bytes, b"abcdef");
    assert_eq!((canary.count(), stable.count()), (1, 1));
}

#[test]
fn a_body_that_outgrows_the_buffer_is_sent_once() {
    let (stable, canary, coalmine) = all_to_canary("60s");
    canary.on("/x", Script::new().read_body().close());
    let body = "x".repeat(65 * 1024);
    let mut connection = coalmine.connect();
    connection.send(request("GET", "/x", &[&format!("Content-Length: {}", body.len())]) + &body);
    assert_eq!(connection.receive().status(), 502);
    assert_eq!((canary.count(), stable.count()), (1, 0));
}

#[test]
fn a_status_of_the_only_backend_is_passed_on_as_it_is() {
    let backend = Backend::start("a");
    backend.on("/x", Script::new().read_body().send("HTTP/1.1 500 x\r\nX-Own: 1\r\nContent-Length: 4\r\n\r\nmine"));
    backend.on("/y", Script::new().read_body().send("HTTP/1.1 503 x\r\nContent-Length: 4\r\n\r\nmine"));
    let coalmine = Config::of(&[&backend], &[]).start();
    let response = coalmine.get("/x");
    assert_eq!((response.status(), response.text().as_str()), (500, "mine"));
    assert_eq!(response.head.get("x-own").as_deref(), Some("1"));
    assert_eq!(coalmine.get("/y").status(), 503);
    assert_eq!(backend.count(), 2);
}

#[test]
fn what_is_no_failure_of_the_canary_is_passed_on() {
    let (stable, canary, coalmine) = all_to_canary("60s");
    for status in [400, 404, 429, 501, 505] {
        canary.on("/x", Script::answer(status, "mine"));
        let response = coalmine.get("/x");
        assert_eq!((response.status(), response.text().as_str()), (status, "mine"));
    }
    assert_eq!(stable.count(), 0);
}

#[test]
fn a_request_is_retried_once() {
    let (one, two) = (Backend::start("one"), Backend::start("two"));
    let canary = Backend::start("canary");
    let plane = Plane::start(retry_spec())
        .stable("one", one.address)
        .stable("two", two.address)
        .canary("c", canary.address)
        .all_to_canary();
    for backend in [&one, &two, &canary] {
        backend.on("", Script::answer(503, &backend.id));
    }
    let response = plane.get("/x");
    assert_eq!((response.status(), response.text().as_str()), (503, "one"));
    assert_eq!((canary.count(), one.count() + two.count()), (1, 1));
    let failed = ["one", "two", "c"].map(|id| plane.sample(id).failed);
    assert_eq!(failed.iter().sum::<u64>(), 2, "{failed:?}");
}

#[test]
fn a_failure_of_stable_goes_to_another_of_stable_and_never_to_the_canary() {
    let (good, bad, canary) = (Backend::start("good"), Backend::start("bad"), Backend::start("canary"));
    let plane = Plane::start(retry_spec())
        .stable("good", good.address)
        .stable("bad", bad.address)
        .canary("c", canary.address)
        .all_to_stable();
    bad.on("", Script::new().read_body().reset());
    for _ in 0..4 {
        assert_eq!(plane.get("/x").text(), "good");
    }
    assert_eq!((good.count(), bad.count(), canary.count()), (4, 2, 0));
    assert_eq!(plane.metric("coalmine_retries_total", &[("track", "stable"), ("cause", "closed")]), 2.0);
}

#[test]
fn retries_from_stable_to_stable_have_a_budget() {
    let (good, bad) = (Backend::start("good"), Backend::start("bad"));
    let spec = RetrySpec { budget_percent: 0, budget_min: 0, ..retry_spec() };
    let plane = Plane::start(spec).stable("good", good.address).stable("bad", bad.address).all_to_stable();
    bad.on("", Script::answer(503, "bad"));
    let mut statuses: Vec<_> = (0..4).map(|_| plane.get("/x").status()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 503, 503]);
    assert_eq!(plane.metric("coalmine_retries_refused_total", &[("reason", "budget"), ("backend", "bad")]), 2.0);
    assert_eq!(plane.metric("coalmine_retries_total", &[]), 0.0);
}

#[test]
fn all_that_a_dying_backend_of_stable_had_in_hand_is_answered_by_another_within_the_budget() {
    let (good, bad) = (Backend::start("good"), Backend::start("bad"));
    let spec = RetrySpec { budget_percent: 20, budget_min: 3, ..retry_spec() };
    let plane = Plane::start(spec).stable("good", good.address).stable("bad", bad.address).all_to_stable();
    let latch = Latch::shut();
    bad.on("", Script::new().read_body().hold(&latch).reset());
    let mut connections: Vec<_> = (0..16).map(|_| plane.connect()).collect();
    for connection in &mut connections {
        connection.send(request("GET", "/x", &[]));
    }
    eventually("the dying one has its half", || bad.count() == 8);
    latch.open();
    let answers: Vec<_> = connections.iter_mut().map(|connection| connection.receive().text()).collect();
    assert!(answers.iter().all(|answer| answer == "good"), "{answers:?}");
    assert_eq!((good.count(), bad.count()), (16, 8));
    assert_eq!(plane.metric("coalmine_retries_refused_total", &[]), 0.0);
}

#[test]
fn what_was_not_sent_yet_needs_no_budget() {
    let (good, nobody) = (Backend::start("good"), Refusing::start());
    let spec = RetrySpec { budget_percent: 0, budget_min: 0, ..retry_spec() };
    let plane = Plane::start(spec).stable("good", good.address).stable("bad", nobody.address).all_to_stable();
    for _ in 0..4 {
        let mut connection = plane.connect();
        connection.send(request("POST", "/x", &["Content-Length: 3"]) + "abc");
        assert_eq!(connection.receive().text(), "good");
    }
    assert_eq!((good.count(), plane.sample("bad").failed), (4, 2));
}

#[test]
fn a_retry_that_is_answered_leaves_its_place_in_the_budget() {
    let (good, bad) = (Backend::start("good"), Backend::start("bad"));
    let spec = RetrySpec { budget_percent: 0, budget_min: 1, ..retry_spec() };
    let plane = Plane::start(spec).stable("good", good.address).stable("bad", bad.address).all_to_stable();
    let latch = Latch::shut();
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n";
    good.on("/stream", Script::new().read_body().send(head).hold(&latch).send("0\r\n\r\n"));
    bad.on("", Script::answer(503, "bad"));
    let mut streams: Vec<_> = (0..4).map(|_| plane.connect()).collect();
    for stream in &mut streams {
        stream.send(request("GET", "/stream", &[]));
        assert_eq!(stream.receive_head().status(), 200);
    }
    assert_eq!(plane.metric("coalmine_retries_total", &[("backend", "bad")]), 2.0);
    latch.open();
}

#[test]
fn a_request_that_waits_on_the_canary_stays_there_when_it_would_be_refused_elsewhere() {
    let (stable, canary) = (Backend::start("stable"), Backend::start("canary"));
    let mut plane = Plane::start(retry_spec()).stable("s", stable.address).canary("c", canary.address).all_to_canary();
    for backend in [&stable, &canary] {
        backend.on("/kill", Script::new().read_body().close());
    }
    assert_eq!(plane.get("/kill").status(), 502);
    let latch = Latch::shut();
    canary.on("/kill", Script::new().read_body().hold(&latch).send(OK));
    let mut waiting = plane.connect();
    waiting.send(request("GET", "/kill", &[]));
    eventually("it waits", || canary.count() == 2);
    plane.eject();
    eventually("the ejection is in force", || plane.get("/").text() == "stable");
    latch.open();
    assert_eq!(waiting.receive().text(), "ok");
    assert_eq!(stable.counts()["GET /kill"], 1);
}

#[test]
fn a_request_that_kills_two_backends_is_not_sent_again() {
    let (stable, canary, coalmine) = all_to_canary("60s");
    for backend in [&stable, &canary] {
        backend.on("/kill", Script::new().read_body().close());
    }
    assert_eq!(coalmine.get("/kill?n=1").status(), 502);
    assert_eq!((canary.count(), stable.count()), (1, 1));
    assert_eq!(coalmine.get("/kill?n=2").status(), 502);
    assert_eq!((canary.count(), stable.count()), (2, 1));
    assert_eq!(coalmine.metric("coalmine_retries_refused_total", &[("reason", "poison")]), 1.0);
    // Others are, and so is this one again once a backend has answered it.
    canary.on("/other", Script::new().read_body().close());
    assert_eq!(coalmine.get("/other").text(), "stable");
    canary.on("/kill", Script::answer(200, "canary"));
    assert_eq!(coalmine.get("/kill").text(), "canary");
    canary.on("/kill", Script::new().read_body().close());
    stable.on("/kill", Script::answer(200, "stable"));
    assert_eq!(coalmine.get("/kill").text(), "stable");
}

#[test]
fn a_request_that_waits_on_a_frozen_canary_moves_to_stable_when_an_alert_ejects_it() {
    let (stable, canary, coalmine) = all_to_canary("60s");
    canary.on("/x", Script::new().await_end());
    let mut get = coalmine.connect();
    get.send(request("GET", "/x", &[]));
    let mut with_body = coalmine.connect();
    with_body.send(request("OPTIONS", "/x", &["Content-Length: 3"]) + "abc");
    let mut post = coalmine.connect();
    post.send(request("POST", "/x", &["Content-Length: 3"]) + "abc");
    eventually("all wait on the canary", || canary.count() == 3);
    coalmine.raise("web");
    assert_eq!(get.receive().text(), "stable");
    assert_eq!(with_body.receive().text(), "stable");
    assert_eq!(stable.counts().into_iter().collect::<Vec<_>>(), [("GET /x".into(), 1), ("OPTIONS /x".into(), 1)]);
    assert_eq!(retries(&coalmine, "ejected"), 2.0);
    assert_eq!(coalmine.metric("coalmine_backend_failures_total", &[]), 0.0, "a move is no failure");
    assert_eq!(coalmine.metric("coalmine_requests_in_flight", &[("track", "canary")]), 1.0, "the POST waits on");
}

#[test]
fn a_request_that_waits_on_a_canary_that_is_drained_is_finished_there() {
    let (stable, canary, coalmine) = all_to_canary("60s");
    let latch = Latch::shut();
    canary.on("/x", Script::new().read_body().hold(&latch).send(OK));
    let mut get = coalmine.connect();
    get.send(request("GET", "/x", &[]));
    eventually("it waits on the canary", || canary.count() == 1);
    assert_eq!(coalmine.ask("POST", "/api/v1/services/web/backends/canary/drain").status(), 202);
    eventually("nothing new goes there", || coalmine.get("/").text() == "stable");
    latch.open();
    assert_eq!(get.receive().text(), "ok");
    assert_eq!((stable.counts().get("GET /x"), retries(&coalmine, "ejected")), (None, 0.0));
}

#[test]
fn outcomes_are_counted_once_for_each_attempt_and_never_for_what_the_client_did() {
    let (stable, canary) = (Backend::start("stable"), Backend::start("canary"));
    let mut plane = Plane::start(retry_spec()).stable("s", stable.address).canary("c", canary.address).all_to_canary();
    assert_eq!(plane.get("/").text(), "canary");
    eventually("a pass", || plane.sample("c").passed == 1);
    canary.on("/501", Script::answer(501, "x"));
    canary.on("/507", Script::answer(507, "x"));
    canary.on("/500", Script::answer(500, "x"));
    canary.on("/half", Script::new().send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n").close());
    assert_eq!(plane.get("/501").status(), 501);
    eventually("501 passes", || plane.sample("c").passed == 2);
    assert_eq!(plane.get("/507").status(), 507);
    assert_eq!(plane.get("/500").text(), "stable");
    assert_eq!(plane.sample("c").failed, 2);
    let mut broken = plane.connect();
    broken.send(request("GET", "/half", &[]));
    assert!(broken.try_receive().is_err());
    eventually("half an answer fails", || plane.sample("c").failed == 3);

    canary.on("/silent", Script::new().await_end());
    let mut canceled = plane.connect();
    canceled.send(request("GET", "/silent", &[]));
    let mut moved = plane.connect();
    moved.send(request("GET", "/silent", &[]));
    let mut upload = plane.connect();
    upload.send(request("POST", "/silent", &["Content-Length: 9"]) + "abc");
    eventually("all wait", || plane.metric("coalmine_requests_in_flight", &[("track", "canary")]) == 3.0);
    drop((canceled, upload));
    eventually("two are gone", || canary.ended() == 2);
    plane.eject();
    assert_eq!(moved.receive().text(), "stable");
    let sample = plane.sample("c");
    assert_eq!((sample.passed, sample.failed), (2, 3));
    eventually("stable passed two", || plane.sample("s").passed == 2);
    assert_eq!(plane.sample("s").failed, 0);
}

#[test]
fn a_failure_rings_the_alarm() {
    let (stable, canary) = (Backend::start("stable"), Backend::start("canary"));
    let plane = Plane::start(retry_spec()).stable("s", stable.address).canary("c", canary.address).all_to_canary();
    let heard = || futures_util::FutureExt::now_or_never(plane.alarm.heard()).is_some();
    assert_eq!(plane.get("/").status(), StatusCode::OK);
    assert!(!heard());
    canary.on("/x", Script::new().read_body().close());
    assert_eq!(plane.get("/x").text(), "stable");
    assert!(heard());
}

#[test]
fn a_request_without_a_host_gets_the_address_of_the_backend_that_answers() {
    let (stable, nobody) = (Backend::start("stable"), Refusing::start());
    let plane = Plane::start(retry_spec()).stable("s", stable.address).canary("c", nobody.address).all_to_canary();
    let mut connection = plane.connect();
    connection.send("GET / HTTP/1.0\r\n\r\n");
    assert_eq!(connection.receive().text(), "stable");
    assert_eq!(stable.requests()[0].head.get("host"), Some(stable.address.to_string()));
}

#[test]
fn a_crowd_sees_nothing_of_a_canary_that_fails_in_every_way_at_once() {
    let (one, two, canary) = (Backend::start("one"), Backend::start("two"), Backend::start("canary"));
    let scripts = [
        Script::new().read_body().close(),
        Script::new().reset(),
        Script::new().send(SHORT).close(),
        Script::answer(500, "broken"),
        Script::answer(200, "canary"),
        Script::new().send("nonsense\r\n\r\n").await_end(),
    ];
    let paths: Vec<_> = (0..scripts.len()).map(|n| format!("/{n}")).collect();
    for (path, script) in paths.iter().zip(scripts) {
        canary.on(path, script);
    }
    let plane = Plane::start_with(retry_spec(), None, 2)
        .stable("one", one.address)
        .stable("two", two.address)
        .canary("c", canary.address)
        .all_to_canary();
    std::thread::scope(|scope| {
        for seed in 0..8 {
            let (plane, paths) = (&plane, &paths);
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(seed);
                let mut connection = plane.connect();
                for n in 0..50 {
                    let path = random.choice(paths).unwrap();
                    let response = connection.get(path);
                    let expected: &[&str] = if path == "/4" { &["canary"] } else { &["one", "two"] };
                    assert_eq!(response.status(), 200, "client {seed}, request {n}: {path}");
                    assert!(expected.contains(&response.text().as_str()), "client {seed}, request {n}: {path}");
                }
            });
        }
    });
    eventually("nothing is in flight", || plane.metric("coalmine_requests_in_flight", &[]) == 0.0);
    let all = ["one", "two", "c"].map(|id| plane.sample(id));
    assert_eq!(all[0].passed + all[1].passed + all[2].passed, 400);
    assert_eq!((all[0].failed + all[1].failed, all[2].failed + all[2].passed), (0, 400));
}

#[test]
fn the_configuration_says_which_methods_come_again() {
    let (stable, canary, coalmine) = all_to_canary_with("60s", "idempotent = true\nbuffer = 8");
    canary.on("/x", Script::new().read_body().close());
    for (method, body, answered) in
        [("PUT", "12345678", true), ("DELETE", "1", true), ("PUT", "123456789", false), ("POST", "1", false)]
    {
        let before = (canary.count(), stable.count());
        let mut connection = coalmine.connect();
        connection.send(request(method, "/x", &[&format!("Content-Length: {}", body.len())]) + body);
        let status = connection.receive().status();
        let times = (canary.count() - before.0, stable.count() - before.1);
        let expected = if answered { (200, (1, 1)) } else { (502, (1, 0)) };
        assert_eq!((status, times), expected, "{method} {body}");
        if answered {
            assert_eq!(stable.requests().last().unwrap().body.bytes, body.as_bytes());
        }
    }
}

#[test]
fn the_configuration_says_which_statuses_are_retried() {
    let (stable, canary, coalmine) = all_to_canary_with("60s", "canary_statuses = []");
    canary.on("/x", Script::answer(503, "mine"));
    let response = coalmine.get("/x");
    assert_eq!((response.status(), response.text().as_str()), (503, "mine"));
    assert_eq!((canary.count(), stable.count()), (1, 0));
    canary.on("/x", Script::new().read_body().close());
    assert_eq!(coalmine.get("/x").text(), "stable", "a failure is not a status");

    let (stable, canary, coalmine) = all_to_canary_with("60s", "canary_statuses = [\"404\"]");
    canary.on("/x", Script::answer(404, "mine"));
    assert_eq!(coalmine.get("/x").text(), "stable");
    assert_eq!((canary.count(), stable.count()), (1, 1));
}

#[test]
fn the_configuration_bounds_retries_from_stable_to_stable() {
    for (lines, expected) in [("budget_percent = 0\nbudget_min = 0", [200, 503]), ("", [200, 200])] {
        let (good, bad) = (Backend::start("good"), Backend::start("bad"));
        bad.on("/x", Script::answer(503, "bad"));
        let service = Service::of("web", &[&good, &bad], &[]).table("retry", lines);
        let coalmine = Config::new().service(service).start();
        coalmine.wait_backend("web", "stable", "good", "up");
        coalmine.wait_backend("web", "stable", "bad", "up");
        let mut statuses = [coalmine.get("/x").status(), coalmine.get("/x").status()];
        statuses.sort_unstable();
        assert_eq!(statuses, expected, "{lines}");
        assert_eq!(bad.count(), 1, "{lines}");
    }
}

#[test]
fn what_is_sent_once_more_says_once_where_it_came_from() {
    let (stable, canary) = (Backend::start("stable"), Backend::start("canary"));
    canary.on("/x", Script::new().read_body().close());
    let service =
        Service::new("web").probe("timeout = \"5s\"").named("stable", 0, &[&stable]).named("canary", 1, &[&canary]);
    let coalmine = Config::new().service(service).listen("trusted_proxies = [\"127.0.0.0/8\"]").start_admitted();
    let fields = ["X-Forwarded-For: 203.0.113.7", "Via: 1.0 fred"];
    assert_eq!(coalmine.connect().request("GET", "/x", &fields).text(), "stable");
    for backend in [&canary, &stable] {
        let [request] = &backend.requests()[..] else { panic!("one request") };
        assert_eq!(request.head.all("x-forwarded-for"), ["203.0.113.7, 127.0.0.1"], "{}", backend.id);
        assert_eq!(request.head.all("x-forwarded-host"), ["test"], "{}", backend.id);
        assert_eq!(request.head.all("via").join(", "), "1.0 fred, 1.1 coalmine", "{}", backend.id);
    }
}

/// A balancer that sends everything to the canary first.
fn all_to_canary(response_timeout: &str) -> (Backend, Backend, Coalmine) {
    all_to_canary_with(response_timeout, "")
}

/// The same with lines for `service.retry`.
fn all_to_canary_with(response_timeout: &str, retry: &str) -> (Backend, Backend, Coalmine) {
    let (stable, canary) = (Backend::start("stable"), Backend::start("canary"));
    let service = Service::new("web")
        .probe("timeout = \"5s\"")
        .named("stable", 0, &[&stable])
        .named("canary", 1, &[&canary])
        .table("timeout", &format!("connect = \"60s\"\nresponse = \"{response_timeout}\"\nidle = \"60s\""))
        .table("retry", retry);
    let coalmine = Config::new().service(service).start_admitted();
    (stable, canary, coalmine)
}

fn retries(coalmine: &Coalmine, cause: &str) -> f64 {
    coalmine.metric("coalmine_retries_total", &[("track", "canary"), ("backend", "canary"), ("cause", cause)])
}
