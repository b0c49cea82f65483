//! Plain text is sent to TLS.

use super::Stage;
use crate::support::Connection;

#[test]
fn plain_requests_are_sent_to_the_same_place_over_tls() {
    let stage = Stage::start_with(&[&["a.test"]], |config| config.listen("redirect_https = true"));
    let port = stage.address().port();
    let mut plain = stage.coalmine.connect();
    let away = plain.request("GET", "/b?c=d", &["Host: a.test:8080"]);
    assert_eq!((away.status(), away.head.get("location")), (308, Some(format!("https://a.test:{port}/b?c=d"))));
    let away = plain.request("GET", "http://b.test/x", &["Host: a.test"]);
    assert_eq!(away.head.get("location"), Some(format!("https://b.test:{port}/x")));
    plain.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\n\r\nbody");
    assert_eq!(plain.receive().status(), 308);
    assert_eq!(stage.backend.count(), 0);
    assert_eq!(stage.client().connect("a.test").get("/").text, "a");
    assert_eq!(stage.coalmine.metric("coalmine_requests_unrouted_total", &[("status", "308")]), 3.0);
}

#[test]
fn who_is_still_sending_a_body_learns_of_the_other_place() {
    let stage = Stage::start_with(&[&["a.test"]], |config| config.listen("redirect_https = true"));
    let mut plain = stage.coalmine.connect();
    let head = "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4000000\r\n\r\n";
    plain.send(head.to_owned() + &"x".repeat(100_000));
    assert_eq!(plain.receive().status(), 308);
    plain.finish();
    assert!(plain.receive_to_end().is_ok(), "no reset, which could have overtaken the answer");
}

#[test]
fn a_request_that_names_no_host_can_be_sent_nowhere() {
    let stage = Stage::start_with(&[&["a.test"]], |config| config.listen("redirect_https = true"));
    for request in ["GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"] {
        let mut plain = stage.coalmine.connect();
        plain.send(request);
        assert_eq!(plain.receive().status(), 400, "{request}");
    }
    assert_eq!(stage.coalmine.refused("host"), 2.0);
}

#[test]
fn challenges_of_authorities_and_what_came_over_tls_before_are_served() {
    let stage = Stage::start_with(&[&["a.test"]], |config| {
        config.listen("redirect_https = true").listen("trusted_proxies = [\"127.0.0.1\"]")
    });
    let mut plain = Connection::open(stage.coalmine.http);
    assert_eq!(plain.get("/.well-known/acme-challenge/token").text(), "a");
    assert_eq!(plain.request("GET", "/", &["X-Forwarded-Proto: https"]).text(), "a");
    assert_eq!(plain.request("GET", "/", &["X-Forwarded-Proto: http"]).status(), 308);
}
