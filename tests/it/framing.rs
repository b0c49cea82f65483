//! Messages of every shape pass: without bodies, with trailers, one after another, early, late and in old versions.

use crate::support::client::request;
use crate::support::{Backend, Config, Connection, Latch, Script, Service, eventually};

const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nright\r\n0\r\n\r\n";

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
fn a_message_with_trailers_is_whole_and_its_connections_are_used_again() {
    let backend = Backend::start("a");
    backend.on("/t", Script::new().echo_chunked());
    let coalmine = Config::of(&[&backend], &[]).listen("workers = 1").start();
    let mut connection = coalmine.connect();
    for te in ["TE: trailers", "Accept: */*"] {
        let chunked = request("POST", "/t", &[te, "Transfer-Encoding: chunked", "Trailer: X-Check"]);
        connection.send(chunked + "3\r\nabc\r\n0\r\nX-Check: 5\r\n\r\n");
        let response = connection.receive();
        assert_eq!(response.status(), 200);
        assert_eq!(trailer(&response.body.trailers, "x-length"), te.starts_with("TE").then_some("3"));
    }
    assert_eq!(connection.get("/").text(), "a");
    assert_eq!(coalmine.metric("coalmine_requests_total", &[("class", "2xx")]), 3.0);
    assert_eq!(coalmine.metric("coalmine_requests_total", &[("class", "canceled")]), 0.0);
    let first = backend.requests()[0].connection;
    assert!(backend.requests().iter().all(|request| request.connection == first));
}

#[test]
fn a_response_is_due_from_the_last_trailer_of_the_request() {
    let backend = Backend::start("a");
    backend.on("/t", Script::new().read_body().await_end());
    let service = Service::of("web", &[&backend], &[]).table("timeout", "response = \"300ms\"");
    let coalmine = Config::new().service(service).start();
    let mut connection = coalmine.connect();
    connection.send(request("POST", "/t", &["Transfer-Encoding: chunked"]) + "0\r\nX-Check: 5\r\n\r\n");
    assert_eq!(connection.receive().status(), 504);
}

#[test]
fn a_chunked_body_passes_whatever_the_method() {
    let backend = Backend::start("a");
    let coalmine = Config::of(&[&backend], &[]).start();
    let mut connection = coalmine.connect();
    for method in ["GET", "DELETE", "OPTIONS"] {
        connection.send(request(method, "/x", &["Transfer-Encoding: chunked"]) + "3\r\nabc\r\n0\r\n\r\n");
        assert_eq!(connection.receive().status(), 200);
    }
    for request in backend.requests() {
        assert_eq!(request.body.bytes, b"abc", "{}", request.head.start);
    }
}

#[test]
fn a_chunked_body_passes_after_an_answer_in_an_old_version() {
    let backend = Backend::start("a");
    let old = "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nold";
    backend.on("/old", Script::new().send(old));
    let coalmine = Config::of(&[&backend], &[]).listen("workers = 1").start();
    let mut connection = coalmine.connect();
    assert_eq!(connection.get("/old").text(), "old");
    connection.send(request("POST", "/x", &["Transfer-Encoding: chunked"]) + "3\r\nabc\r\n0\r\n\r\n");
    assert_eq!(connection.receive().status(), 200);
    assert_eq!(backend.requests()[1].body.bytes, b"abc");
}

#[test]
fn a_second_answer_to_one_request_reaches_nobody() {
    let backend = Backend::start("a");
    let right = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nright";
    let wrong = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong";
    let latch = Latch::shut();
    backend.on("/at-once", Script::new().send(format!("{right}{wrong}")));
    backend.on("/chunks", Script::new().send(format!("{CHUNKED}{wrong}")));
    backend.on("/head", Script::new().send(right).send(wrong));
    backend.on("/late", Script::new().send(right).hold(&latch).send(wrong).await_end());
    let coalmine = Config::of(&[&backend], &[]).listen("workers = 1").start();
    let (mut first, mut second) = (coalmine.connect(), coalmine.connect());
    for path in ["/at-once", "/chunks"] {
        assert_eq!(first.get(path).text(), "right", "{path}");
        assert_eq!(second.get("/").text(), "a", "after {path}");
    }
    assert_eq!(first.request("HEAD", "/head", &[]).status(), 200);
    assert_eq!(second.get("/").text(), "a");
    assert_eq!(first.get("/late").text(), "right");
    latch.open();
    eventually("the connection is closed for it", || backend.ended() == 1);
    assert_eq!(second.get("/").text(), "a");
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
