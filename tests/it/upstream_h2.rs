//! HTTP/2 to backends: shared connections, their limits, and what becomes of requests when a stream or a connection ends.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use http::{Method, Version};

use crate::support::client::{Broken, request};
use crate::support::http2::{Http2, with};
use crate::support::leaving::leaving;
use crate::support::{Config, Connection, Deed, H2Backend, Latch, Service, eventually};

/// One worker, so that requests share whatever they can, before backends of these tables.
fn before(backends: &[&H2Backend], service: impl FnOnce(Service) -> Service) -> Config {
    let backends: Vec<_> = backends.iter().map(|backend| format!("\"{}\"", backend.address)).collect();
    let web = Service::new("web").table("stable", &format!("backends = [{}]\nh2 = true", backends.join(", ")));
    Config::new().listen("workers = 1").service(service(web.probe("timeout = \"5s\"")))
}

fn one(backend: &H2Backend) -> Config {
    before(&[backend], |web| web)
}

#[test]
fn a_request_arrives_in_the_form_of_http_2() {
    let backend = H2Backend::start();
    let coalmine = one(&backend).start();
    let fields = ["Cookie: a=1", "TE: trailers", "Connection: te, close", "X-Y: z"];
    let answer = coalmine.connect().request("GET", "/a//b?c=d", &fields);
    assert_eq!((answer.status(), answer.text().as_str()), (200, "h2"));
    let seen = backend.requests().remove(0);
    assert_eq!((seen.method.as_str(), seen.uri.as_str()), ("GET", "http://test/a//b?c=d"));
    assert_eq!(seen.version, Version::HTTP_2);
    for (name, value) in [("cookie", "a=1"), ("te", "trailers"), ("x-y", "z"), ("x-forwarded-host", "test")] {
        assert_eq!(seen.headers[name], value);
    }
    for gone in ["host", "connection", "transfer-encoding"] {
        assert!(!seen.headers.contains_key(gone), "{gone}");
    }
    eventually("it is probed in HTTP/2", || backend.probes().iter().any(|probe| probe.version == Version::HTTP_2));
}

#[test]
fn a_hundred_requests_at_once_go_over_one_connection() {
    let backend = H2Backend::start();
    let coalmine = one(&backend).start();
    let (latch, held) = held(&backend, &coalmine, 100);
    eventually("all are there", || backend.begun() == 100);
    latch.open();
    for mut connection in held {
        assert_eq!(connection.receive().status(), 200);
    }
    assert_eq!(connections(&backend), 1);
}

#[test]
fn more_streams_than_a_backend_allows_take_more_connections() {
    let backend = H2Backend::limited(10);
    let coalmine = one(&backend).start();
    assert_eq!(coalmine.get("/").status(), 200);
    let (latch, held) = held(&backend, &coalmine, 25);
    eventually("all are there", || backend.begun() == 26);
    latch.open();
    for mut connection in held {
        assert_eq!(connection.receive().status(), 200);
    }
    assert!(connections(&backend) >= 3);
}

#[test]
fn at_the_limit_of_connections_requests_wait_for_a_stream() {
    let backend = H2Backend::limited(10);
    let coalmine = before(&[&backend], |web| web.table("limits", "connections = 1")).start();
    assert_eq!(coalmine.get("/").status(), 200);
    let (latch, held) = held(&backend, &coalmine, 25);
    eventually("as many as it allows are there", || backend.begun() == 11);
    latch.open();
    for mut connection in held {
        assert_eq!(connection.receive().status(), 200);
    }
    assert_eq!((connections(&backend), backend.requests().len()), (1, 26));
}

#[test]
fn a_request_that_was_refused_is_sent_again_whatever_its_method() {
    let backend = H2Backend::start();
    let coalmine = one(&backend).start();
    backend.on("/x", Deed::Refuse(2));
    let mut connection = coalmine.connect();
    connection.send(request("POST", "/x", &["Content-Length: 3"]) + "abc");
    assert_eq!(connection.receive().status(), 200);
    let requests = backend.requests();
    assert_eq!((requests.len(), &requests[0].body[..], backend.begun()), (1, &b"abc"[..], 3));
    assert_eq!(coalmine.metric("coalmine_resends_total", &[]), 2.0);
    backend.on("/x", Deed::Refuse(usize::MAX));
    assert_eq!(connection.get("/x").status(), 502, "but not for ever");
}

#[test]
fn a_request_that_one_backend_refuses_goes_to_another() {
    let backends = [H2Backend::start(), H2Backend::start()];
    let coalmine = before(&[&backends[0], &backends[1]], |web| web).start();
    backends[0].on("/x", Deed::Refuse(usize::MAX));
    for _ in 0..4 {
        assert_eq!(coalmine.connect().request("POST", "/x", &["Content-Length: 0"]).status(), 200);
    }
    assert_eq!(backends[1].requests().len(), 4);
}

#[test]
fn a_request_that_was_reset_is_not_sent_again() {
    let backend = H2Backend::start();
    let coalmine = one(&backend).start();
    backend.on("/x", Deed::Reset);
    assert_eq!(coalmine.connect().request("POST", "/x", &["Content-Length: 0"]).status(), 502);
    assert_eq!(backend.begun(), 1);
    assert_eq!(coalmine.get("/").status(), 200);
    assert_eq!(connections(&backend), 1, "the others' connection goes on");
}

#[test]
fn a_body_that_breaks_off_is_seen_as_such() {
    let backend = H2Backend::start();
    let coalmine = one(&backend).start();
    backend.on("/x", Deed::BreakOff);
    let mut connection = coalmine.connect();
    connection.send(request("POST", "/x", &["Content-Length: 0"]));
    assert!(matches!(connection.try_receive(), Err(Broken::InBody(_))));
    assert_eq!(coalmine.get("/x").status(), 502, "a short answer to a GET is read before it is passed on");
    assert_eq!(coalmine.metric("coalmine_backend_failures_total", &[("kind", "body")]), 2.0);
}

#[test]
fn trailers_pass_in_both_directions() {
    let backend = H2Backend::start();
    let coalmine = one(&backend).start();
    backend.on("/t", Deed::Trailers { text: "ok", framed: false });
    let mut connection = coalmine.connect();
    let fields = ["TE: trailers", "Transfer-Encoding: chunked", "Trailer: X-Check"];
    connection.send(request("POST", "/t", &fields) + "3\r\nabc\r\n0\r\nX-Check: 5\r\n\r\n");
    let answer = connection.receive();
    assert_eq!(answer.text(), "ok");
    assert_eq!(answer.body.trailers, [("x-sum".to_owned(), "7".to_owned())]);
    let seen = backend.requests().remove(0);
    assert_eq!((&seen.body[..], &seen.trailers["x-check"]), (&b"abc"[..], &"5".parse().unwrap()));
    for (text, method) in [("ok", "GET"), ("", "GET"), ("ok", "POST"), ("", "POST")] {
        // What has a length in HTTP/1.1 has no trailers, and is whole without them.
        backend.on("/t", Deed::Trailers { text, framed: true });
        let fields = if method == "POST" { &["Content-Length: 0"][..] } else { &[] };
        assert_eq!(connection.request(method, "/t", fields).text(), text);
    }
}

#[test]
fn large_bodies_pass_in_both_directions_at_once() {
    let backend = H2Backend::start();
    let coalmine = one(&backend).start();
    backend.on("/echo", Deed::Echo);
    let body = "0123456789abcdef".repeat(256 * 1024);
    let sent = request("POST", "/echo", &[&format!("Content-Length: {}", body.len())]) + &body;
    let answer = coalmine.connect().exchange(&sent);
    assert_eq!(answer.status(), 200);
    assert!(answer.body.bytes == body.as_bytes());
}

#[test]
fn an_answer_that_comes_before_the_upload_has_ended_is_passed_on() {
    let backend = H2Backend::start();
    let coalmine = one(&backend).start();
    backend.on("/early", Deed::Early);
    for method in ["POST", "PUT"] {
        let mut connection = coalmine.connect();
        connection.send(request(method, "/early", &["Content-Length: 100"]) + "abc");
        assert_eq!(connection.receive().text(), "early");
    }
    assert_eq!(coalmine.get("/").status(), 200);
    assert_eq!(coalmine.metric("coalmine_backend_failures_total", &[]), 0.0);
}

#[test]
fn a_message_passes_in_each_direction_before_the_next_is_sent() {
    let backend = H2Backend::start();
    let coalmine = one(&backend).start();
    backend.on("/echo", Deed::Echo);
    let mut connection = coalmine.connect();
    connection.send(request("POST", "/echo", &["Transfer-Encoding: chunked"]));
    connection.receive_head();
    for message in ["one", "two", "six"] {
        connection.send(format!("3\r\n{message}\r\n"));
        connection.receive_until(message);
    }
    connection.send("0\r\n\r\n");
    connection.receive_until("0\r\n\r\n");
}

#[test]
fn clients_that_do_not_read_keep_nobody_else_back() {
    let backend = H2Backend::start();
    let coalmine = one(&backend).start();
    backend.on("/flood", Deed::Flood(1 << 30));
    let slow: Vec<_> = (0..20).map(|_| coalmine.connect()).map(asking("/flood")).collect();
    eventually("all floods run", || backend.begun() == 20);
    backend.on("/much", Deed::Flood(2 << 20));
    for _ in 0..5 {
        assert_eq!(coalmine.get("/much").body.bytes.len(), 2 << 20);
    }
    assert_eq!(connections(&backend), 1);
    drop(slow);
}

#[test]
fn a_client_that_goes_away_ends_its_stream_and_no_other() {
    let backend = H2Backend::start();
    let coalmine = one(&backend).start();
    let (latch, mut held) = held(&backend, &coalmine, 2);
    eventually("both are there", || backend.begun() == 2);
    drop(held.pop());
    eventually("one is reset", || backend.ended() == 1);
    latch.open();
    assert_eq!(held[0].receive().status(), 200);
    assert_eq!(connections(&backend), 1);
}

#[test]
fn a_response_that_stands_still_ends_its_stream_at_both_ends_while_the_client_has_not_ended_its_request() {
    let backend = H2Backend::start();
    let coalmine = before(&[&backend], |web| web.table("timeout", "idle = \"500ms\"")).start();
    backend.on("/echo", Deed::Echo);
    let client = Http2::open(coalmine.http);
    let mut exchange = client.begin(with(Method::POST, "/echo", &[]), false);
    exchange.send(&b"one"[..]);
    assert_eq!(exchange.head().unwrap().0, 200);
    assert_eq!(exchange.next().unwrap().unwrap(), &b"one"[..]);
    exchange.was_reset().unwrap();
    eventually("the backend sees the end", || backend.ended() == 1);
}

#[test]
fn a_request_that_misses_its_time_ends_alone() {
    let backend = H2Backend::start();
    let coalmine = before(&[&backend], |web| web.table("timeout", "response = \"200ms\"")).start();
    backend.on("/slow", Deed::Hold(Latch::shut()));
    assert_eq!(coalmine.connect().request("POST", "/slow", &["Content-Length: 0"]).status(), 504);
    eventually("its stream is reset", || backend.ended() == 1);
    let mut connection = coalmine.connect();
    connection.send(request("POST", "/slow", &["Content-Length: 3"]) + "ab");
    for_a_moment();
    connection.send("c");
    assert_eq!(connection.receive().status(), 504, "from the last byte of its body");
    assert_eq!(coalmine.get("/").status(), 200);
}

#[test]
fn a_goaway_under_load_loses_nothing() {
    let backend = H2Backend::start();
    let coalmine = one(&backend).start();
    let (done, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        let clients: Vec<_> = (0..8)
            .map(|client| {
                let (done, over, coalmine) = (&done, &over, &coalmine);
                scope.spawn(move || {
                    let mut connection = coalmine.connect();
                    while !over.load(Ordering::SeqCst) {
                        let (method, fields) =
                            if client % 2 == 0 { ("GET", &[][..]) } else { ("POST", &["Content-Length: 0"][..]) };
                        assert_eq!(connection.request(method, "/", fields).status(), 200);
                        done.fetch_add(1, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        for _ in 0..10 {
            let before = done.load(Ordering::SeqCst);
            eventually("requests run", || done.load(Ordering::SeqCst) > before + 20);
            backend.leave();
        }
        over.store(true, Ordering::SeqCst);
        clients.into_iter().for_each(|client| client.join().unwrap());
    });
    assert!(connections(&backend) > 3);
    assert_eq!(coalmine.metric("coalmine_backend_failures_total", &[]), 0.0);
}

#[test]
fn a_request_above_the_last_id_of_a_goaway_is_sent_again_whatever_its_method() {
    let (address, answered) = leaving(2);
    let web = Service::new("web").table("stable", &format!("backends = [\"{address}\"]\nh2 = true"));
    let coalmine = Config::new().listen("workers = 1").service(web.probe("timeout = \"5s\"")).start();
    let mut connection = coalmine.connect();
    for n in 1..=3 {
        connection.send(request("POST", "/x", &["Content-Length: 3"]) + "abc");
        assert_eq!(connection.receive().status(), 200);
        assert_eq!(answered.load(Ordering::SeqCst), n);
    }
    assert_eq!(coalmine.metric("coalmine_resends_total", &[]), 2.0);
}

#[test]
fn a_backend_that_does_not_speak_http_2_is_a_bad_gateway() {
    let backend = crate::support::Backend::start("a");
    let lines = format!("backends = [\"{}\"]\nh2 = true", backend.address);
    let web = Service::new("web").table("stable", &lines).probe("interval = \"1h\"");
    let coalmine = Config::new().service(web).start();
    assert_eq!(coalmine.get("/").status(), 502);
}

#[test]
fn a_client_that_asks_for_an_upgrade_takes_no_backend_out_that_speaks_http_2_alone() {
    let [stable, canary] = [H2Backend::start(), H2Backend::start()];
    let lines = |backend: &H2Backend| format!("weight = 1\nbackends = [\"{}\"]\nh2 = true", backend.address);
    let web = Service::new("web").table("stable", &lines(&stable)).table("canary", &lines(&canary));
    let coalmine = Config::new().service(web.probe("timeout = \"5s\"")).start();
    eventually("the canary is in", || coalmine.is_admitted("web"));
    for _ in 0..30 {
        let answer = coalmine.connect().request("GET", "/", &["Connection: Upgrade", "Upgrade: websocket"]);
        assert_eq!(answer.status(), 502);
    }
    assert!(coalmine.metric("coalmine_backend_failures_total", &[("track", "canary")]) >= 10.0);
    for_a_moment();
    assert!(coalmine.is_admitted("web"));
}

#[test]
fn a_connection_that_is_too_old_takes_no_more_requests() {
    let backend = H2Backend::start();
    let coalmine = before(&[&backend], |web| web.table("pool", "max_age = \"1ms\"")).start();
    for _ in 0..3 {
        assert_eq!(coalmine.get("/").status(), 200);
        for_a_moment();
    }
    assert_eq!(connections(&backend), 3);
    eventually("they are closed", || coalmine.metric("coalmine_backend_connections", &[]) == 0.0);
}

/// So many requests that are answered when the latch opens, and their connections.
fn held(backend: &H2Backend, coalmine: &crate::support::coalmine::Coalmine, count: usize) -> (Latch, Vec<Connection>) {
    let latch = Latch::shut();
    backend.on("/held", Deed::Hold(latch.clone()));
    (latch, (0..count).map(|_| coalmine.connect()).map(asking("/held")).collect())
}

fn asking(target: &'static str) -> impl Fn(Connection) -> Connection {
    move |mut connection| {
        connection.send(request("GET", target, &[]));
        connection
    }
}

/// How many connections took requests, those of probes apart.
fn connections(backend: &H2Backend) -> usize {
    backend.requests().iter().map(|request| request.connection).collect::<BTreeSet<_>>().len()
}

fn for_a_moment() {
    crate::support::for_a_while(Duration::from_millis(20));
}
