//! What is taken off a message and put on it, in both directions.

use crate::support::client::{Response, request};
use crate::support::wire::Head;
use crate::support::{Backend, Config, Script};

#[test]
fn hop_by_hop_fields_do_not_reach_the_backend() {
    let head = sent(
        Config::new(),
        &[
            "Connection: keep-alive, X-Drop, x-drop-too",
            "X-Drop: 1",
            "X-Drop-Too: 1",
            "X-Keep: 1",
            "Keep-Alive: timeout=5",
            "Proxy-Connection: keep-alive",
            "TE: gzip",
            "Upgrade: websocket",
        ],
    );
    for gone in ["x-drop", "x-drop-too", "keep-alive", "proxy-connection", "upgrade"] {
        assert_eq!(head.get(gone), None, "{gone} in {head:?}");
    }
    assert_eq!(head.get("x-keep").as_deref(), Some("1"));
    let rest = [head.get("te"), head.get("connection")].map(Option::unwrap_or_default).join(" ").to_lowercase();
    assert!(!rest.contains("gzip") && !rest.contains("x-drop"), "{head:?}");
}

#[test]
fn hop_by_hop_fields_do_not_reach_the_client() {
    let response = answered(
        "HTTP/1.1 200 OK\r\nConnection: X-Drop\r\nX-Drop: 1\r\nKeep-Alive: timeout=5\r\nProxy-Connection: x\r\n\
         Upgrade: h2c\r\nX-Keep: 1\r\nContent-Length: 2\r\n\r\nok",
    );
    for gone in ["x-drop", "keep-alive", "proxy-connection", "upgrade"] {
        assert_eq!(response.head.get(gone), None, "{gone} in {:?}", response.head);
    }
    assert_eq!((response.head.get("x-keep").as_deref(), response.text().as_str()), (Some("1"), "ok"));
}

#[test]
fn a_client_cannot_take_off_what_the_balancer_puts_on() {
    let head = sent(Config::new(), &["Connection: X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host, Host, Via"]);
    assert_eq!(head.get("x-forwarded-for").as_deref(), Some("127.0.0.1"));
    assert_eq!(head.get("x-forwarded-proto").as_deref(), Some("http"));
    assert_eq!(head.get("x-forwarded-host").as_deref(), Some("test"));
    assert_eq!(head.get("host").as_deref(), Some("test"));
    assert!(head.get("via").is_some_and(|via| via.contains("coalmine")), "{head:?}");
}

#[test]
fn the_forwarded_fields_say_who_asked_and_how() {
    let head = sent(Config::new(), &["Host: www.example.org:8080"]);
    assert_eq!(head.all("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(head.all("x-forwarded-proto"), ["http"]);
    assert_eq!(head.all("x-forwarded-host"), ["www.example.org:8080"]);
}

#[test]
fn forwarded_fields_of_a_stranger_are_dropped() {
    let head = sent(Config::new(), &FORWARDED);
    assert_eq!(head.all("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(head.all("x-forwarded-proto"), ["http"]);
    assert_eq!(head.all("x-forwarded-host"), ["test"]);
}

#[test]
fn forwarded_fields_of_a_trusted_proxy_are_kept_and_added_to() {
    let head = sent(Config::new().listen("trusted_proxies = [\"10.0.0.0/8\", \"127.0.0.0/8\"]"), &FORWARDED);
    assert_eq!(head.get("x-forwarded-for").as_deref(), Some("203.0.113.7, 127.0.0.1"));
    assert_eq!(head.all("x-forwarded-proto"), ["https"]);
    assert_eq!(head.all("x-forwarded-host"), ["front.example"]);
}

#[test]
fn via_is_added_after_what_is_there_and_can_be_switched_off() {
    let via = |config, fields: &[&str]| sent(config, fields).get("via");
    let alone = via(Config::new(), &[]).unwrap();
    assert!(alone.starts_with("1.1 ") && alone.contains("coalmine"), "{alone}");
    assert_eq!(via(Config::new(), &["Via: 1.0 fred"]), Some(format!("1.0 fred, {alone}")));
    assert_eq!(via(Config::new().listen("via = false"), &[]), None);
}

#[test]
fn the_request_line_and_host_arrive_as_they_were_sent() {
    let backend = Backend::start("a");
    backend.on("", Script::new().echo());
    let coalmine = Config::of(&[&backend], &[]).start();
    for target in ["/a//b/../c%2Fd;x?y=%20&z=a?b", "/?", "/%7Euser/"] {
        let text = coalmine.connect().request("GET", target, &["Host: WWW.Example.org:81"]).text();
        assert!(text.starts_with(&format!("GET {target} HTTP/1.1\r\n")), "{text}");
        assert!(text.contains("\r\nhost: WWW.Example.org:81\r\n"), "{text}");
    }
    let text = coalmine.connect().request("PATCH", "/m", &["Content-Length: 0"]).text();
    assert!(text.starts_with("PATCH /m HTTP/1.1\r\n"), "{text}");
}

#[test]
fn fields_arrive_once_each_and_in_their_order() {
    let head = sent(Config::new(), &["Cookie: a=1", "X-List: 1", "X-List: 2", "Authorization: Basic eDp5"]);
    assert_eq!(head.all("x-list"), ["1", "2"]);
    assert_eq!(head.all("cookie"), ["a=1"]);
    assert_eq!(head.all("authorization"), ["Basic eDp5"]);
    let response =
        answered("HTTP/1.1 201 Made\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nServer: s\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(response.status(), 201);
    assert_eq!(response.head.all("set-cookie"), ["a", "b"]);
    assert_eq!(response.head.all("server"), ["s"]);
    assert!(response.head.all("date").len() <= 1);
}

#[test]
fn two_lengths_do_not_smuggle_a_request() {
    let backend = Backend::start("a");
    let coalmine = Config::of(&[&backend], &[]).start();
    let mut connection = coalmine.connect();
    connection.send(
        "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n\
         0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: test\r\n\r\n",
    );
    assert!(matches!(connection.receive().status(), 200 | 400));
    for request in backend.requests() {
        assert!(request.head.get("content-length").is_none() || request.head.get("transfer-encoding").is_none());
    }
}

const FORWARDED: [&str; 3] =
    ["X-Forwarded-For: 203.0.113.7", "X-Forwarded-Proto: https", "X-Forwarded-Host: front.example"];

/// The head that the backend gets when a client sends these fields.
#[track_caller]
fn sent(config: Config, fields: &[&str]) -> Head {
    let backend = Backend::start("a");
    let service = crate::support::Service::of("web", &[&backend], &[]);
    let coalmine = config.service(service).start();
    assert_eq!(coalmine.connect().request("GET", "/x", fields).status(), 200);
    backend.requests()[0].head.clone()
}

/// The response that the client gets when a backend answers with this.
#[track_caller]
fn answered(wire: &str) -> Response {
    let backend = Backend::start("a");
    backend.on("/x", Script::new().read_body().send(wire));
    let coalmine = Config::of(&[&backend], &[]).start();
    let mut connection = coalmine.connect();
    connection.send(request("GET", "/x", &[]));
    connection.receive()
}
