//! HTTP/2 with clients that begin with it: what RFC 9113 says, and that everything else is as over HTTP/1.1.

use std::time::Duration;

use h2::Reason;
use http::{HeaderMap, HeaderValue, Method};

use crate::support::client::request;
use crate::support::coalmine::Coalmine;
use crate::support::frames::{
    self, DATA, END_HEADERS, END_STREAM, Frames, GOAWAY, HEADERS, PREFACE, RST_STREAM, SETTINGS, block, get_block,
};
use crate::support::http2::{self, Http2, with};
use crate::support::{Backend, Config, Latch, Script, Service, eventually, for_a_while};

const MIB: usize = 1024 * 1024;
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n";

#[test]
fn many_requests_run_at_once_on_one_connection() {
    let backend = Backend::start("a");
    let latch = Latch::shut();
    backend.on("/held", Script::new().hold(&latch).send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
    let coalmine = Config::of(&[&backend], &[]).start();
    let client = Http2::open(coalmine.http);
    let held: Vec<_> = (0..100).map(|_| client.begin(http2::get("/held"), true)).collect();
    eventually("all are at the backend", || backend.count() == 100);
    latch.open();
    for exchange in held {
        assert_eq!(exchange.answer().unwrap().text(), "ok");
    }
    assert_eq!(coalmine.metric("coalmine_client_connections", &[]), 1.0);
}

#[test]
fn both_versions_are_spoken_on_one_port() {
    let backend = Backend::start("a");
    let coalmine = Config::of(&[&backend], &[]).start();
    assert_eq!(Http2::open(coalmine.http).get("/").text(), "a");
    assert_eq!(coalmine.get("/").text(), "a");
}

#[test]
fn a_preface_may_come_in_pieces() {
    let backend = Backend::start("a");
    let coalmine = Config::of(&[&backend], &[]).start();
    let mut client = Frames::silent(coalmine.http);
    for piece in PREFACE.chunks(5) {
        client.raw(piece).unwrap();
        for_a_while(Duration::from_millis(20));
    }
    client.send(SETTINGS, 0, 0, &[]).unwrap();
    client.send(HEADERS, END_STREAM | END_HEADERS, 1, &get_block("/")).unwrap();
    assert_eq!(client.next_of(DATA).unwrap().payload, b"a");
}

#[test]
fn half_a_preface_is_cut_off_after_the_header_timeout() {
    let backend = Backend::start("a");
    let coalmine = Config::of(&[&backend], &[]).listen("header_timeout = \"300ms\"").start();
    for length in [1, 10, 23, 24] {
        let mut client = Frames::silent(coalmine.http);
        client.raw(&PREFACE[..length]).unwrap();
        while client.next().is_some() {}
    }
}

#[test]
fn without_http2_the_preface_is_a_bad_request() {
    let backend = Backend::start("a");
    let coalmine = Config::of(&[&backend], &[]).listen("http2 = false").start();
    let mut client = coalmine.connect();
    client.send(PREFACE);
    let answer = String::from_utf8(client.receive_to_end().unwrap()).unwrap();
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.1 5"), "{answer}");
    assert_eq!(coalmine.get("/").text(), "a");
}

#[test]
fn a_request_is_said_in_http_1_1_to_the_backend() {
    let backend = Backend::start("a");
    backend.on("/e", Script::new().echo());
    let coalmine = Config::of(&[&backend], &[]).start();
    let mut request = with(Method::GET, "/e?q", &[("cookie", "a=1"), ("te", "trailers"), ("x-own", "1")]);
    request.headers_mut().append("cookie", HeaderValue::from_static("b=2"));
    let answer = Http2::open(coalmine.http).begin(request, true).answer().unwrap();
    assert_eq!(answer.headers["via"], "1.1 coalmine");
    assert!(!answer.headers.contains_key("connection"));
    let text = answer.text();
    assert!(text.starts_with("GET /e?q HTTP/1.1\r\n"), "{text}");
    for line in [
        "host: test",
        "cookie: a=1; b=2",
        "te: trailers",
        "connection: te",
        "x-own: 1",
        "x-forwarded-for: 127.0.0.1",
        "x-forwarded-proto: http",
        "x-forwarded-host: test",
        "via: 2 coalmine",
    ] {
        assert!(text.contains(&format!("\r\n{line}\r\n")), "`{line}` in {text}");
    }
    assert!(!text.contains("transfer-encoding") && !text.contains("content-length"), "{text}");
}

#[test]
fn who_is_meant_must_be_said_once_or_twice_the_same() {
    let backend = Backend::start("a");
    let coalmine = Config::of(&[&backend], &[]).start();
    let base = [(":method", "GET"), (":scheme", "http"), (":path", "/")];
    for (fields, expected) in [
        (&[(":authority", "test")][..], "200"),
        (&[("host", "test")], "200"),
        (&[(":authority", "test"), ("host", "TEST")], "200"),
        (&[(":authority", "test"), ("host", "other")], "400"),
        (&[(":authority", "test"), ("host", "test"), ("host", "test")], "400"),
        (&[], "400"),
    ] {
        let all: Vec<_> = base.iter().chain(fields).copied().collect();
        assert_eq!(status(&coalmine, &all), expected, "{fields:?}");
    }
    assert_eq!(backend.count(), 3);
}

#[test]
fn a_target_without_a_meaning_is_refused() {
    let backend = Backend::start("a");
    let coalmine = Config::of(&[&backend], &[]).start();
    for (method, scheme, authority, path, expected) in [
        ("OPTIONS", "http", "test", "*", "200"),
        ("GET", "https", "test", "/", "200"),
        ("GET", "http", "test", "*", "400"),
        ("GET", "ftp", "test", "/", "400"),
        ("GET", "http", "user@test", "/", "400"),
        ("GET", "http", "test", "x", "400"),
    ] {
        let fields = [(":method", method), (":scheme", scheme), (":authority", authority), (":path", path)];
        let status = status(&coalmine, &fields);
        assert!(status == expected || (expected == "400" && status == "reset"), "{fields:?}: {status}");
    }
    let connect = http::Request::builder().method(Method::CONNECT).uri("test:80").body(()).unwrap();
    assert_eq!(Http2::open(coalmine.http).begin(connect, false).head().unwrap().0, 405);
    assert_eq!(backend.count(), 2);
}

#[test]
fn what_the_parser_must_refuse_reaches_no_backend() {
    let backend = Backend::start("a");
    let coalmine = Config::of(&[&backend], &[]).start();
    let base = [(":method", "GET"), (":scheme", "http"), (":authority", "test"), (":path", "/")];
    for fields in [
        &[("connection", "close")][..],
        &[("transfer-encoding", "chunked")],
        &[("upgrade", "h2c")],
        &[("keep-alive", "5")],
        &[("proxy-connection", "x")],
        &[("te", "gzip")],
        &[("X-Upper", "1")],
        &[("x-bad", "a\r\nb: c")],
        &[("x-bad", "a\0b")],
        &[("bad name", "1")],
        &[(":path", "/again")],
        &[(":unknown", "1")],
        &[("x-a", "1"), (":scheme", "http")],
    ] {
        let all: Vec<_> = base.iter().chain(fields).copied().collect();
        let status = status(&coalmine, &all);
        assert!(["reset", "400"].contains(&status.as_str()), "{fields:?}: {status}");
    }
    assert_eq!(backend.count(), 0);
}

#[test]
fn an_announced_length_must_be_that_of_the_body() {
    let backend = Backend::start("a");
    let coalmine = Config::of(&[&backend], &[]).start();
    let client = Http2::open(coalmine.http);
    for (length, body) in [("3", "abcd"), ("5", "abcd")] {
        let mut exchange = client.begin(with(Method::POST, "/", &[("content-length", length)]), false);
        exchange.send_whole(body);
        if let Ok(answer) = exchange.answer() {
            assert_eq!(answer.status, 400, "{length}");
        }
    }
    assert!(backend.requests().iter().all(|request| request.body.bytes.len() < 5));
    assert_eq!(client.get("/").text(), "a");
}

#[test]
fn bodies_of_any_size_pass_in_both_directions() {
    let backend = Backend::start("a");
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 4 * MIB);
    backend.on("/both", Script::new().send(head).duplex(4 * MIB as u64));
    backend.on("/up", Script::answer(200, "up"));
    let coalmine = Config::of(&[&backend], &[]).start();
    let client = Http2::open(coalmine.http);
    let body: Vec<u8> = (0..2 * MIB).map(|n| (n % 251) as u8).collect();
    for length in [None, Some(body.len().to_string())] {
        let fields: Vec<_> = length.iter().map(|length| ("content-length", length.as_str())).collect();
        let mut exchange = client.begin(with(Method::POST, "/up", &fields), false);
        exchange.send(body.clone());
        exchange.finish();
        assert_eq!(exchange.answer().unwrap().text(), "up");
    }
    assert!(backend.requests().iter().all(|request| request.body.bytes == body));
    let heads: Vec<_> = backend.requests().into_iter().map(|request| request.head).collect();
    assert_eq!(heads[0].get("transfer-encoding").as_deref(), Some("chunked"));
    assert_eq!(heads[1].get("content-length"), Some(body.len().to_string()));
    let mut exchange = client.begin(with(Method::POST, "/both", &[]), false);
    exchange.send(body);
    exchange.finish();
    assert_eq!(exchange.answer().unwrap().body.len(), 4 * MIB);
}

#[test]
fn trailers_pass_in_both_directions() {
    let backend = Backend::start("a");
    backend.on("/t", Script::new().echo_chunked());
    let coalmine = Config::of(&[&backend], &[]).start();
    let client = Http2::open(coalmine.http);
    let fields = [("te", "trailers"), ("trailer", "x-check")];
    let mut exchange = client.begin(with(Method::POST, "/t", &fields), false);
    exchange.send("abc");
    let mut trailers = HeaderMap::new();
    trailers.insert("x-check", HeaderValue::from_static("5"));
    exchange.finish_with(trailers);
    let answer = exchange.answer().unwrap();
    assert_eq!(answer.trailer("x-length"), Some("3"));
    assert!(answer.text().contains("x-check: 5"), "{}", answer.text());
}

#[test]
fn trailers_say_nothing_that_belongs_into_a_head() {
    let backend = Backend::start("a");
    backend.on("/t", Script::new().echo_chunked());
    let coalmine = Config::of(&[&backend], &[]).start();
    let client = Http2::open(coalmine.http);
    let fields = [("te", "trailers"), ("trailer", "x-check, x-forwarded-for, x_forwarded_for")];
    let mut exchange = client.begin(with(Method::POST, "/t", &fields), false);
    exchange.send("abc");
    let mut trailers = HeaderMap::new();
    for name in ["x-check", "x-forwarded-for", "x_forwarded_for"] {
        trailers.insert(name, HeaderValue::from_static("192.0.2.66"));
    }
    exchange.finish_with(trailers);
    let answer = exchange.answer().unwrap();
    assert!(answer.text().contains("x-check: 192.0.2.66"), "{}", answer.text());
    assert_eq!(answer.text().matches("192.0.2.66").count(), 1, "{}", answer.text());
}

#[test]
fn a_response_may_begin_before_its_request_ends() {
    let backend = Backend::start("a");
    let latch = Latch::shut();
    backend.on("/b", Script::new().send(CHUNKED).read_body().hold(&latch).send("3\r\ndef\r\n0\r\n\r\n"));
    let coalmine = Config::of(&[&backend], &[]).start();
    let client = Http2::open(coalmine.http);
    let mut exchange = client.begin(with(Method::POST, "/b", &[]), false);
    exchange.send("one");
    assert_eq!(exchange.head().unwrap().0, 200);
    assert_eq!(exchange.next().unwrap().unwrap(), "abc");
    exchange.send("two");
    exchange.finish();
    latch.open();
    assert_eq!(exchange.next().unwrap().unwrap(), "def");
    assert!(exchange.next().is_none());
    eventually("the body came whole", || backend.requests()[0].body.bytes == b"onetwo");
}

#[test]
fn an_answer_to_a_request_that_goes_on_asks_for_no_more_of_it() {
    let backend = Backend::start("a");
    let coalmine = Config::of(&[&backend], &[]).start();
    let client = Http2::open(coalmine.http);
    let mut early = client.begin(with(Method::POST, "/", &[("host", "other")]), false);
    assert_eq!(early.head().unwrap().0, 400);
    assert_eq!(early.was_reset().unwrap(), Reason::NO_ERROR);
}

#[test]
fn a_body_that_breaks_off_never_looks_complete() {
    let pause = Duration::from_millis(50);
    let length = "HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\nabc";
    for (n, script) in [
        Script::new().send(length).close(),
        Script::new().send(CHUNKED).close(),
        Script::new().send(length).wait(pause).reset(),
        Script::new().send(CHUNKED).send("zz\r\n").await_end(),
        // Stands still for longer than `timeout.idle`.
        Script::new().send(CHUNKED).await_end(),
    ]
    .into_iter()
    .enumerate()
    {
        let (_backend, coalmine) = answering("/x", script);
        let client = Http2::open(coalmine.http);
        match client.begin(http2::get("/x"), true).answer() {
            Err(error) => assert!(error.is_reset(), "script {n}: {error}"),
            // The body may break off before the head was sent on.
            Ok(answer) => assert_eq!(answer.status, 502, "script {n}: {answer:?}"),
        }
        assert_eq!(client.get("/").text(), "a", "the connection lives on");
        eventually("it is counted", || coalmine.metric("coalmine_backend_failures_total", &[("kind", "body")]) == 1.0);
    }
}

#[test]
fn a_client_that_resets_a_stream_ends_the_call_to_the_backend() {
    let backend = Backend::start("a");
    backend.on("/silent", Script::new().await_end());
    backend.on("/half", Script::new().send(CHUNKED).await_end());
    let coalmine = Config::of(&[&backend], &[]).start();
    let client = Http2::open(coalmine.http);
    for (n, path, upload) in [(1, "/silent", false), (2, "/half", false), (3, "/silent", true)] {
        let mut exchange = client.begin(with(Method::POST, path, &[]), !upload);
        eventually("the request arrived", || backend.count() == n);
        exchange.reset();
        eventually("the backend sees the end", || backend.ended() == n);
    }
    eventually("all are counted", || coalmine.metric("coalmine_requests_total", &[("class", "canceled")]) == 3.0);
    assert_eq!(coalmine.metric("coalmine_requests_in_flight", &[]), 0.0);
    assert_eq!(coalmine.metric("coalmine_backend_failures_total", &[]), 0.0, "it is not the backend's fault");
    assert_eq!(client.get("/").text(), "a");
}

#[test]
fn a_client_that_goes_away_ends_the_calls_to_the_backend() {
    let backend = Backend::start("a");
    backend.on("/silent", Script::new().await_end());
    let coalmine = Config::of(&[&backend], &[]).start();
    let client = Http2::open(coalmine.http);
    let exchanges: Vec<_> = (0..3).map(|_| client.begin(http2::get("/silent"), true)).collect();
    eventually("the requests arrived", || backend.count() == 3);
    drop(exchanges);
    drop(client);
    eventually("the backend sees the end", || backend.ended() == 3);
    eventually("all are counted", || coalmine.metric("coalmine_requests_total", &[("class", "canceled")]) == 3.0);
}

#[test]
fn each_stream_has_deadlines_of_its_own() {
    let (backend, coalmine) = answering("/silent", Script::new().await_end());
    backend.on("/up", Script::new().read_body().send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nup"));
    let client = Http2::open(coalmine.http);
    let silent = client.begin(http2::get("/silent"), true);
    let mut slow = client.begin(with(Method::POST, "/up", &[]), false);
    slow.send("some");
    assert_eq!(client.get("/").text(), "a");
    let timeout = silent.answer().unwrap();
    assert_eq!((timeout.status.as_u16(), timeout.text().as_str()), (504, "504 gateway timeout: timeout\n"));
    let slow = slow.answer().unwrap();
    assert_eq!((slow.status.as_u16(), slow.text().as_str()), (408, "408 request timeout: body\n"));
    assert_eq!(client.get("/").text(), "a");
}

#[test]
fn a_stream_whose_client_takes_nothing_is_reset() {
    let (backend, coalmine) = answering("", Script::answer(200, "a"));
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 64 * MIB);
    backend.on("/big", Script::new().send(head).flood(64 * MIB as u64).await_end());
    let client = Http2::open_with(coalmine.http, |settings| {
        settings.initial_window_size(1000);
    });
    let mut stalled = client.begin(http2::get("/big"), true);
    assert_eq!(stalled.head().unwrap().0, 200);
    assert_eq!(stalled.was_reset().unwrap(), Reason::CANCEL);
    assert_eq!(coalmine.metric("coalmine_refused_total", &[("reason", "idle")]), 1.0);
    assert_eq!(client.get("/").text(), "a");
    assert_eq!(coalmine.metric("coalmine_backend_failures_total", &[]), 0.0, "it is not the backend's fault");
}

#[test]
fn a_client_that_does_not_read_holds_the_backend_back() {
    let backend = Backend::start("a");
    let endless = 1024 * MIB as u64;
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {endless}\r\n\r\n");
    backend.on("/endless", Script::new().send(head).flood(endless).await_end());
    let coalmine = Config::of(&[&backend], &[]).start();
    let client = Http2::open_with(coalmine.http, |settings| {
        settings.initial_window_size(65_535);
    });
    let mut exchange = client.begin(http2::get("/endless"), true);
    assert_eq!(exchange.head().unwrap().0, 200);
    let (mut flooded, mut since) = (0, std::time::Instant::now());
    eventually("the backend cannot write on", || {
        if backend.flooded() != flooded {
            (flooded, since) = (backend.flooded(), std::time::Instant::now());
        }
        since.elapsed() > Duration::from_millis(500)
    });
    assert!(flooded > 0 && flooded < endless / 8, "{flooded} bytes were taken without a reader");
}

#[test]
fn a_slow_client_that_reads_is_not_cut_off() {
    let backend = Backend::start("a");
    let service = Service::of("web", &[&backend], &[]).table("timeout", "idle = \"2s\"");
    let coalmine = Config::new().service(service).start();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {MIB}\r\n\r\n");
    backend.on("/big", Script::new().send(head).flood(MIB as u64));
    let client = Http2::open(coalmine.http);
    let mut exchange = client.begin(http2::get("/big"), true);
    exchange.head().unwrap();
    let mut got = 0;
    while let Some(part) = exchange.next() {
        got += part.unwrap().len();
        if got % 3 == 0 {
            // Longer than `timeout.idle` in all.
            for_a_while(Duration::from_millis(120));
        }
    }
    assert_eq!(got, MIB);
}

#[test]
fn an_idle_connection_is_told_to_go_and_closed() {
    let backend = Backend::start("a");
    let coalmine = Config::of(&[&backend], &[]).listen("idle_timeout = \"300ms\"").start();
    let mut client = Http2::open(coalmine.http);
    assert_eq!(client.get("/").text(), "a");
    assert!(client.ended().is_ok(), "GOAWAY without an error, and the end");
}

#[test]
fn a_connection_that_stays_after_it_was_told_to_go_is_closed() {
    let backend = Backend::start("a");
    let coalmine = Config::of(&[&backend], &[]).listen("idle_timeout = \"300ms\"").start();
    let mut client = Frames::open(coalmine.http, &[]);
    // Answers no ping.
    assert_eq!(client.next_of(GOAWAY).unwrap().code(), 0);
    while client.next().is_some() {}
}

#[test]
fn a_header_block_that_does_not_end_is_cut_off() {
    let backend = Backend::start("a");
    let coalmine = Config::of(&[&backend], &[]).listen("header_timeout = \"300ms\"").start();
    let block = get_block("/");
    let mut within_a_frame = Frames::open(coalmine.http, &[]);
    let frame = frames::frame(HEADERS, END_STREAM | END_HEADERS, 1, &block);
    within_a_frame.raw(&frame[..frame.len() - 1]).unwrap();
    let mut between_frames = Frames::open(coalmine.http, &[]);
    between_frames.send(HEADERS, END_STREAM, 1, &block).unwrap();
    for mut client in [within_a_frame, between_frames] {
        while client.next().is_some() {}
    }
    assert_eq!(backend.count(), 0);
}

#[test]
fn a_lingering_upload_of_no_bytes_leaves_others_alone() {
    let backend = Backend::start("a");
    let coalmine = Config::of(&[&backend], &[]).start();
    let client = Http2::open(coalmine.http);
    let lingering: Vec<_> = (0..99).map(|_| client.begin(with(Method::POST, "/", &[]), false)).collect();
    assert_eq!(client.get("/").text(), "a");
    drop(lingering);
}

#[test]
fn a_request_that_fails_on_the_canary_is_retried_on_stable() {
    let (stable, canary) = (Backend::start("s"), Backend::start("c"));
    canary.on("", Script::new().read_body().close());
    let coalmine = Config::of(&[&stable], &[&canary]).start_admitted();
    let client = Http2::open(coalmine.http);
    for _ in 0..6 {
        let answer = client.get("/");
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, "s"));
    }
    assert!(canary.count() > 0);
}

#[test]
fn upgrade_to_h2c_is_ignored() {
    let backend = Backend::start("a");
    let coalmine = Config::of(&[&backend], &[]).start();
    let mut connection = coalmine.connect();
    let fields = ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"];
    connection.send(request("GET", "/", &fields));
    let answer = connection.receive();
    assert_eq!((answer.status(), answer.text().as_str()), (200, "a"));
    assert!(backend.requests()[0].head.get("upgrade").is_none());
}

/// The status of the answer to a request with these fields, or `reset` when the stream or the connection was.
fn status(coalmine: &Coalmine, fields: &[(&str, &str)]) -> String {
    let mut client = Frames::open(coalmine.http, &[]);
    client.send(HEADERS, END_STREAM | END_HEADERS, 1, &block(fields)).unwrap();
    loop {
        match client.next() {
            Some(frame) if [RST_STREAM, GOAWAY].contains(&frame.kind) => return "reset".to_owned(),
            // By the index of the whole field (RFC 7541, appendix A).
            Some(frame) if frame.kind == HEADERS && frame.payload[0] == 0x88 => return "200".to_owned(),
            Some(frame) if frame.kind == HEADERS && frame.payload[0] == 0x8c => return "400".to_owned(),
            Some(frame) if frame.kind == HEADERS => panic!("another status: {frame:x?}"),
            Some(_) => {}
            None => return "reset".to_owned(),
        }
    }
}

/// A balancer with short timeouts before one backend.
fn answering(path: &str, script: Script) -> (Backend, Coalmine) {
    let backend = Backend::start("a");
    backend.on(path, script);
    let timeouts = "connect = \"5s\"\nresponse = \"400ms\"\nidle = \"300ms\"";
    let coalmine = Config::new().service(Service::of("web", &[&backend], &[]).table("timeout", timeouts)).start();
    (backend, coalmine)
}
