//! What two servers could read differently is refused: of a client with 400, of a backend with 502.

use crate::support::client::request;
use crate::support::coalmine::Coalmine;
use crate::support::{Backend, Config, Latch, Script, eventually};

/// Heads that have more than one meaning, or none.
const HEADS: &[&str] = &[
    // Ends of lines (RFC 9112, 2.2).
    "GET / HTTP/1.1\nHost: a\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\n\n",
    "GET / HTTP/1.1\nHost: a\n\n",
    "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "\rGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET / HTTP/1.1\rHost: a\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\n\r\r\n",
    "GET /\r\nX: HTTP/1.1\r\nHost: a\r\n\r\n",
    // Bytes that no line may have (RFC 9110, 5.5).
    "GET / HTTP/1.1\r\nHost: a\r\nX: y\0z\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nX\0: y\r\n\r\n",
    "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n",
    "G\0T / HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nX: y\u{b}z\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nX: y\u{7f}\r\n\r\n",
    // Names of fields, and lines that go on (RFC 9112, 5.1 and 5.2).
    "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
    "GET / HTTP/1.1\r\nHost\t: a\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 3\r\n\r\nabc",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\n: y\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nX Y: z\r\n\r\n",
    "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\tz\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    // Two words about the length (RFC 9112, 6.1 and 6.3).
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\nabc",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 4\r\n\r\nabcd",
    // No number (RFC 9110, 8.6).
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -3\r\n\r\nabc",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x3\r\n\r\nabc",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3 3\r\n\r\nabc",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3;\r\n\r\nabc",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\nabc",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775808\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551619\r\n\r\nabc",
    // Codings that are not chunked alone.
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: , chunked\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \u{b}chunked\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n",
    // HTTP/1.0 knows of none, and there are no other versions here.
    "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "GET / HTTP/1.2\r\nHost: a\r\n\r\n",
    "GET / HTTP/11\r\nHost: a\r\n\r\n",
    "GET / http/1.1\r\nHost: a\r\n\r\n",
    "GET /\r\n",
    // Nothing but one space parts the words of the first line.
    "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
    " GET / HTTP/1.1\r\nHost: a\r\n\r\n",
];

/// Chunks that are none.
const CHUNKS: &[&str] = &[
    "3\nabc\r\n0\r\n\r\n",
    "3\r\nabc\n0\r\n\r\n",
    "3\r\nabc0\r\n\r\n",
    "3\r\nabcd\r\n0\r\n\r\n",
    "3\r\nabc\r\r\n0\r\n\r\n",
    "3\r\nabc\r\n0\n\n",
    "3\r\nabc\r\n0\r\n\n",
    "g\r\nabc\r\n0\r\n\r\n",
    "+3\r\nabc\r\n0\r\n\r\n",
    "-3\r\nabc\r\n0\r\n\r\n",
    "0x3\r\nabc\r\n0\r\n\r\n",
    "3_\r\nabc\r\n0\r\n\r\n",
    " 3\r\nabc\r\n0\r\n\r\n",
    "3 \r\nabc\r\n0\r\n\r\n",
    "\r\nabc\r\n0\r\n\r\n",
    "10000000000000003\r\nabc\r\n0\r\n\r\n",
    "00000000000000003\r\nabc\r\n0\r\n\r\n",
    "FFFFFFFFFFFFFFFF\r\nabc",
    "3;a\nabc\r\n0\r\n\r\n",
    "3;a\rb\r\nabc\r\n0\r\n\r\n",
    "3;a\0\r\nabc\r\n0\r\n\r\n",
    "3;\n\r\nabc\r\n0\r\n\r\n",
    "3\r\nabc\r\n0;a\n\r\n\r\n",
    "3\r\nabc\r\n0\r\nX: y\n\r\n",
    "3\r\nabc\r\n0\r\nX: y\n\nGET /x HTTP/1.1\r\n\r\n",
    "3\r\nabc\r\n0\r\nX: y\0\r\n\r\n",
    "3\r\nabc\r\n0\r\nX : y\r\n\r\n",
    "3\r\nabc\r\n0\r\nX: y\r\n z\r\n\r\n",
    "3\r\nabc\r\n0\r\n: y\r\n\r\n",
    "3\r\nabc\r\n0\r\nX: a\rb\r\n\r\n",
];

/// Requests that look like those and have one meaning, and the body that they have.
const GOOD: &[(&str, &str)] = &[
    ("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", ""),
    ("GET / HTTP/1.1\r\nHost:a\r\nX:\r\nY: \t z \t\r\n\r\n", ""),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: \u{e9}\r\nContent: y\r\nTransfer: z\r\n\r\n", ""),
    ("POST / HTTP/1.1\r\nHost: a\r\ncontent-length:\t003 \r\n\r\nabc", "abc"),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n\n\r\0\n", "\n\r\0\n"),
    ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", "abc"),
    ("POST / HTTP/1.1\r\nHost: a\r\nTRANSFER-ENCODING: Chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "abc"),
    (
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked \t\r\n\r\n0a;x=\"\t\"\r\n0123\n56789\r\n00\r\nX: y\r\n\r\n",
        "0123\n56789",
    ),
];

#[test]
fn a_head_with_more_than_one_meaning_is_answered_with_400_and_reaches_no_backend() {
    let backend = Backend::start("a");
    let coalmine = Config::of(&[&backend], &[]).start();
    for head in HEADS {
        let bytes = [head.as_bytes(), b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
        let answer = answers(&coalmine, &[&bytes]);
        assert_eq!(statuses(&answer), ["400"], "{head:?}: {answer}");
        assert!(answer.to_ascii_lowercase().contains("connection: close"), "{head:?}: {answer}");
    }
    assert_eq!(backend.count(), 0, "{:?}", backend.counts());
    eventually("all are counted", || refused(&coalmine) == HEADS.len() as f64);
}

#[test]
fn requests_before_a_bad_one_are_answered_and_those_after_it_are_not() {
    let backend = Backend::start("a");
    let coalmine = Config::of(&[&backend], &[]).start();
    for head in HEADS {
        let good = request("GET", "/good", &[]);
        let bad = [head.as_bytes(), good.as_bytes()].concat();
        let answer = answers(&coalmine, &[good.as_bytes(), good.as_bytes(), &bad]);
        assert_eq!(statuses(&answer), ["200", "200", "400"], "{head:?}: {answer}");
        let all = [good.as_str(), head, good.as_str()].concat();
        let answer = answers(&coalmine, &[all.as_bytes()]);
        assert_eq!(statuses(&answer), ["200", "400"], "in one piece: {head:?}: {answer}");
    }
    assert_eq!(backend.count(), 3 * HEADS.len(), "{:?}", backend.counts());
}

#[test]
fn a_bad_head_behind_a_request_under_way_does_not_cost_its_answer() {
    let backend = Backend::start("a");
    let latch = Latch::shut();
    backend.on("/slow", Script::new().hold(&latch).send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
    let coalmine = Config::of(&[&backend], &[]).start();
    let mut connection = coalmine.connect();
    connection.send(request("GET", "/slow", &[]));
    eventually("the request is under way", || backend.count() == 1);
    connection.send("GET / HTTP/1.1\nHost: a\n\n");
    latch.open();
    assert_eq!(connection.receive().text(), "ok");
    assert_eq!(connection.receive().status(), 400);
    assert_eq!(connection.receive_to_end().unwrap(), b"");
    assert_eq!(backend.count(), 1);
}

#[test]
fn bad_chunks_are_answered_with_400_and_the_request_never_ends_for_the_backend() {
    let backend = Backend::start("a");
    backend.on("/up", Script::new().read_body().send("HTTP/1.1 204 No Content\r\n\r\n"));
    let coalmine = Config::of(&[&backend], &[]).start();
    for chunks in CHUNKS {
        let head = request("POST", "/up", &["Transfer-Encoding: chunked"]);
        let after = request("GET", "/smuggled", &[]);
        let all = [head.as_str(), chunks, after.as_str()].concat();
        for pieces in [vec![all.as_bytes()], vec![head.as_bytes(), &all.as_bytes()[head.len()..]]] {
            let answer = answers(&coalmine, &pieces);
            assert_eq!(statuses(&answer), ["400"], "{chunks:?}: {answer}");
        }
    }
    assert!(backend.requests().iter().all(|request| request.body.bytes.is_empty()), "a body came whole");
    assert_eq!(backend.counts().get("GET /smuggled"), None);
    eventually("all are counted", || refused(&coalmine) == 2.0 * CHUNKS.len() as f64);
}

#[test]
fn bad_chunks_after_an_answer_has_begun_end_the_connection() {
    let backend = Backend::start("a");
    backend
        .on("/up", Script::new().send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n").await_end());
    let coalmine = Config::of(&[&backend], &[]).start();
    let mut connection = coalmine.connect();
    connection.send(request("POST", "/up", &["Transfer-Encoding: chunked"]));
    assert_eq!(connection.receive_head().status(), 200);
    connection.receive_until("ok");
    connection.send("zz\r\n");
    let rest = connection.receive_to_end().unwrap_or_default();
    assert!(!rest.ends_with(b"0\r\n\r\n"), "{}", rest.escape_ascii());
    eventually("the backend sees the end", || backend.ended() == 1);
}

#[test]
fn what_has_one_meaning_passes_and_the_connection_goes_on() {
    let backend = Backend::start("a");
    let coalmine = Config::of(&[&backend], &[]).start();
    let mut connection = coalmine.connect();
    for (request, _) in GOOD {
        connection.send(request);
        assert_eq!(connection.receive().status(), 200, "{request:?}");
    }
    connection.send(GOOD.iter().map(|(request, _)| *request).collect::<String>());
    GOOD.iter().for_each(|(request, _)| assert_eq!(connection.receive().status(), 200, "pipelined: {request:?}"));
    for (request, _) in GOOD {
        for byte in request.bytes() {
            connection.send([byte]);
        }
        assert_eq!(connection.receive().status(), 200, "byte by byte: {request:?}");
    }
    let bodies: Vec<_> = backend.requests().into_iter().map(|request| request.body.bytes).collect();
    let expected: Vec<_> = GOOD.iter().map(|(_, body)| body.as_bytes()).collect();
    assert_eq!(bodies, [&expected[..], &expected, &expected].concat());
    assert_eq!(refused(&coalmine), 0.0);
}

#[test]
fn an_answer_with_more_than_one_meaning_is_502_and_its_connection_is_closed() {
    let backend = Backend::start("a");
    let coalmine = Config::of(&[&backend], &[]).listen("workers = 1").start();
    for (n, head) in [
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nContent-Length: +3\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 3\r\n\r\nabc",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\nContent-Length: 1\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length : 3\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nX: y\r\n z\r\nContent-Length: 3\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nX: y\0\r\nContent-Length: 3\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nX: y\rz\r\nContent-Length: 3\r\n\r\nabc",
        "HTTP/2.0 200 OK\r\nContent-Length: 3\r\n\r\nabc",
        "garbage\r\n\r\n",
    ]
    .into_iter()
    .enumerate()
    {
        backend.on("/x", Script::new().send(head).await_end());
        let response = coalmine.get("/x");
        assert_eq!((response.status(), response.text().as_str()), (502, "502 bad gateway: malformed\n"), "{head:?}");
        eventually("the connection is closed", || backend.ended() == n + 1);
    }
    assert_eq!(coalmine.get("/").text(), "a");
    let malformed = coalmine.metric("coalmine_backend_failures_total", &[("kind", "malformed")]);
    assert_eq!(malformed, backend.counts()["GET /x"] as f64);
}

/// Everything that comes back on a connection of its own for pieces that are sent one after the other. Only the last may
/// be what the balancer hangs up for: what comes then would reset the connection.
#[track_caller]
fn answers(coalmine: &Coalmine, pieces: &[&[u8]]) -> String {
    let mut connection = coalmine.connect();
    pieces.iter().for_each(|piece| connection.send(piece));
    String::from_utf8_lossy(&connection.receive_to_end().unwrap()).into_owned()
}

fn statuses(answer: &str) -> Vec<&str> {
    answer.split("HTTP/1.1 ").skip(1).map(|rest| &rest[..3]).collect()
}

fn refused(coalmine: &Coalmine) -> f64 {
    coalmine.metric("coalmine_refused_total", &[("reason", "framing")])
}
