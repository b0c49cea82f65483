//! Messages of every shape pass: without bodies, with trailers, one after another, early, late and in old versions.

use crate::support::client::request;
use crate::support::{Backend, Config, Connection, Latch, Script, eventually};

#[test]
fn a_head_request_gets_the_length_and_no_body() {
    let backend = Backend::start("a");
    backend.on("/h", Script::new().send("HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n"));
    let coalmine = Config::of(&[&backend], &[]).start();
    let mut connection = coalmine.connect();
    for _ in 0..2 {
        let response = connection.request("HEAD", "/h", &[]);
        assert_eq!(response.head.get("content-length").as_deref(), Some("1234"));
        assert_eq!(connection.get("/").text(), "a");
    }
}

#[test]
fn a_response_that_has_no_body_is_followed_by_the_next() {
    let backend = Backend::start("a");
    backend.on("/204", Script::new().send("HTTP/1.1 204 No Content\r\n\r\n"));
    backend.on("/304", Script::new().send("HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 99\r\n\r\n"));
    let coalmine = Config::of(&[&backend], &[]).start();
    let mut connection = coalmine.connect();
    for status in [204, 304, 204] {
        let response = connection.get(&format!("/{status}"));
        assert_eq!((response.status(), response.text().len()), (status, 0));
        assert_eq!(connection.get("/").text(), "a");
    }
}

#[test]
fn trailers_pass_in_both_directions() {
    let backend = Backend::start("a");
    let answer =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\n\r\n";
    backend.on("/t", Script::new().read_body().send(answer));
    let coalmine = Config::of(&[&backend], &[]).start();
    let mut connection = coalmine.connect();
    connection.send(
        "POST /t HTTP/1.1\r\nHost: test\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\nTrailer: X-Check\r\n\r\n\
         3\r\nabc\r\n0\r\nX-Check: 5\r\n\r\n",
    );
    let response = connection.receive();
    assert_eq!((response.text().as_str(), trailer(&response.body.trailers, "x-sum")), ("ok", Some("7")));
    let arrived = &backend.requests()[0];
    assert_eq!(arrived.body.bytes, b"abc");
    assert_eq!(trailer(&arrived.body.trailers, "x-check"), Some("5"));
}

#[test]
fn a_client_that_expects_100_is_told_to_go_on() {
    let backend = Backend::start("a");
    let coalmine = Config::of(&[&backend], &[]).start();
    let mut connection = coalmine.connect();
    connection.send(request("POST", "/", &["Expect: 100-continue", "Content-Length: 3"]));
    assert_eq!(connection.receive_head().status(), 100);
    connection.send("abc");
    assert_eq!(connection.receive().status(), 200);
    assert_eq!(backend.requests()[0].body.bytes, b"abc");
}

#[test]
fn an_early_response_reaches_the_client_before_its_body_is_sent() {
    let backend = Backend::start("a");
    let answer = "HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig";
    backend.on("/up", Script::new().send(answer).await_end());
    let coalmine = Config::of(&[&backend], &[]).start();
    let mut connection = coalmine.connect();
    connection.send(request("POST", "/up", &["Content-Length: 10000000"]));
    connection.send([0; 1000]);
    let response = connection.receive();
    assert_eq!((response.status(), response.text().as_str()), (413, "big"));
}

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    let backend = Backend::start("a");
    backend.on("", Script::new().echo());
    let coalmine = Config::of(&[&backend], &[]).start();
    let mut connection = coalmine.connect();
    connection.send((0..5).map(|n| request("GET", &format!("/{n}"), &[])).collect::<String>());
    for n in 0..5 {
        let text = connection.receive().text();
        assert!(text.starts_with(&format!("GET /{n} ")), "{text}");
    }
}

#[test]
fn an_interim_response_does_not_stand_for_the_final_one() {
    let backend = Backend::start("a");
    let hints = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
    backend.on("/i", Script::new().send(hints).send(hints).send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
    let coalmine = Config::of(&[&backend], &[]).start();
    let mut connection = coalmine.connect();
    for _ in 0..2 {
        let response = connection.get("/i");
        assert_eq!((response.status(), response.text().as_str()), (200, "ok"));
        assert!(response.interim.iter().all(|status| *status == 103));
    }
}

#[test]
fn a_client_of_http_1_0_gets_a_body_without_chunks_and_then_the_end() {
    let backend = Backend::start("a");
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    backend.on("/c", Script::new().send(chunked));
    let coalmine = Config::of(&[&backend], &[]).start();
    let mut connection = coalmine.connect();
    connection.send("GET /c HTTP/1.0\r\nHost: test\r\n\r\n");
    let text = String::from_utf8(connection.receive_to_end().unwrap()).unwrap();
    assert!(text.contains(" 200 ") && text.ends_with("\r\n\r\nok"), "{text}");
    assert!(!text.to_lowercase().contains("transfer-encoding"), "{text}");
}

#[test]
fn a_client_that_says_close_gets_its_answer_and_then_the_end() {
    let backend = Backend::start("a");
    let coalmine = Config::of(&[&backend], &[]).start();
    let mut connection = coalmine.connect();
    assert_eq!(connection.request("GET", "/", &["Connection: close"]).text(), "a");
    assert_eq!(connection.receive_to_end().unwrap(), b"");
}

#[test]
fn a_body_that_ends_with_the_connection_is_whole() {
    let backend = Backend::start("a");
    backend.on("/1.0", Script::new().send("HTTP/1.0 200 OK\r\n\r\nold").half_close());
    backend.on("/1.1", Script::new().send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nnew").half_close());
    let coalmine = Config::of(&[&backend], &[]).start();
    assert_eq!(coalmine.get("/1.0").text(), "old");
    assert_eq!(coalmine.get("/1.1").text(), "new");
}

#[test]
fn a_client_that_half_closes_before_the_answer_costs_no_other_request() {
    let backend = Backend::start("a");
    let latch = Latch::shut();
    backend.on("/slow", Script::new().hold(&latch).send("HTTP/1.1 204 No Content\r\n\r\n"));
    let coalmine = Config::of(&[&backend], &[]).start();
    let mut other: Connection = coalmine.connect();
    let mut gone = coalmine.connect();
    gone.send(request("GET", "/slow", &[]));
    eventually("the request arrived", || backend.count() == 1);
    gone.finish();
    assert_eq!(other.get("/").text(), "a");
    latch.open();
    assert_eq!(other.get("/").text(), "a");
}

fn trailer<'a>(trailers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    trailers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}
