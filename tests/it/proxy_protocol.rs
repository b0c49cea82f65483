//! A proxy in front says whom it speaks for by the PROXY protocol, before anything else.

use crate::support::client::{Connection, request};
use crate::support::coalmine::Coalmine;
use crate::support::{Backend, Config, Script, eventually};

const V1: &[u8] = b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 80\r\n";
const V1_6: &[u8] = b"PROXY TCP6 2001:db8::7 2001:db8::1 56324 80\r\n";
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\x00\x02\x07\xc6\x33\x64\x01\xdc\x04\0\x50";
const V2_6: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07\
    \x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\xdc\x04\0\x50";
const V2_MORE: &[u8] =
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x13\xc0\x00\x02\x07\xc6\x33\x64\x01\xdc\x04\0\x50\x04\0\x04\r\n\r\n";
const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
const UNKNOWN: &[u8] = b"PROXY UNKNOWN\r\n";

#[test]
fn a_request_comes_from_the_client_that_the_header_names() {
    let (backend, coalmine) = behind("127.0.0.0/8", "");
    let cases =
        [(V1, "192.0.2.7"), (V1_6, "2001:db8::7"), (V2, "192.0.2.7"), (V2_6, "2001:db8::7"), (V2_MORE, "192.0.2.7")];
    for (header, client) in cases {
        assert_eq!(forwarded_for(&coalmine, header), client, "{}", header.escape_ascii());
    }
    assert_eq!((backend.count(), refused(&coalmine)), (cases.len(), 0.0));
}

#[test]
fn a_header_without_an_address_leaves_the_proxy_itself() {
    let (_backend, coalmine) = behind("127.0.0.0/8", "");
    for header in [LOCAL, UNKNOWN] {
        assert_eq!(forwarded_for(&coalmine, header), "127.0.0.1", "{}", header.escape_ascii());
    }
}

#[test]
fn a_header_may_come_in_pieces_or_with_the_request() {
    let (_backend, coalmine) = behind("127.0.0.0/8", "");
    for header in [V1, V1_6, V2, V2_MORE, LOCAL] {
        let all = [header, request("GET", "/", &[]).as_bytes()].concat();
        let mut together = coalmine.connect();
        together.send(&all);
        let mut single = coalmine.connect();
        all.iter().for_each(|byte| single.send([*byte]));
        for connection in [&mut together, &mut single] {
            assert_eq!(connection.receive().status(), 200, "{}", header.escape_ascii());
            assert_eq!(connection.get("/").status(), 200, "a second request");
        }
    }
}

#[test]
fn the_access_log_has_the_client_that_the_header_names() {
    let (_backend, coalmine) = behind("127.0.0.0/8", "");
    forwarded_for(&coalmine, V2_6);
    eventually("the line is written", || coalmine.process.stdout.text().contains("2001:db8::7"));
}

#[test]
fn a_connection_without_a_header_where_one_must_be_is_closed() {
    let (backend, coalmine) = behind("127.0.0.0/8", "");
    let wrong: [&[u8]; 7] = [
        b"GET / HTTP/1.1\r\nHost: test\r\n\r\n",
        b"\x16\x03\x01\x02\0\x01",
        b"PROXY TCP4 192.0.2.7\r\nGET / HTTP/1.1\r\n\r\n",
        b"PROXY TCP4 192.0.2.777 198.51.100.1 56324 80\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 80\nGET / HTTP/1.1\r\n\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x20\0",
        b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c\xc0\x00\x02\x07\xc6\x33\x64\x01\xdc\x04\0\x50",
    ];
    for bytes in wrong {
        let mut connection = coalmine.connect();
        connection.send(bytes);
        // What was not read makes a reset of the end.
        assert_eq!(connection.receive_to_end().unwrap_or_default(), b"", "{}", bytes.escape_ascii());
    }
    eventually("all are counted", || refused(&coalmine) == wrong.len() as f64);
    assert_eq!(backend.count(), 0);
}

#[test]
fn a_header_that_does_not_come_in_time_ends_the_connection() {
    let (_backend, coalmine) = behind("127.0.0.0/8", "handshake_timeout = \"300ms\"");
    for begun in [&b""[..], &V1[..20], &V2[..12]] {
        let mut connection = coalmine.connect();
        connection.send(begun);
        assert_eq!(connection.receive_to_end().unwrap(), b"", "{}", begun.escape_ascii());
    }
    assert_eq!(refused(&coalmine), 3.0);
}

#[test]
fn a_proxy_that_only_looks_who_listens_is_not_counted() {
    let (_backend, coalmine) = behind("127.0.0.0/8", "");
    let connection = coalmine.connect();
    connection.finish();
    let mut connection = connection;
    assert_eq!(connection.receive_to_end().unwrap(), b"");
    assert_eq!(refused(&coalmine), 0.0);
}

#[test]
fn the_header_of_a_stranger_is_not_looked_at() {
    let (backend, coalmine) = behind("10.0.0.0/8", "");
    for header in [V1, V2] {
        assert_eq!(answered(&coalmine, header), 400);
    }
    assert_eq!((backend.count(), refused(&coalmine)), (0, 0.0));
    assert_eq!(forwarded_for(&coalmine, b""), "127.0.0.1");
}

#[test]
fn a_second_header_is_no_request() {
    let (backend, coalmine) = behind("127.0.0.0/8", "");
    for headers in [[V1, V1].concat(), [V2, V2].concat(), [V2, V1].concat()] {
        assert_eq!(answered(&coalmine, &headers), 400);
    }
    assert_eq!(backend.count(), 0);
}

#[test]
fn what_a_named_client_says_of_others_is_not_believed() {
    let (_backend, coalmine) = behind("127.0.0.0/8", "trusted_proxies = [\"127.0.0.0/8\"]");
    let said = request("GET", "/", &["X-Forwarded-For: 203.0.113.9"]);
    for (header, expected) in [(V1, "192.0.2.7"), (LOCAL, "203.0.113.9, 127.0.0.1")] {
        let mut connection = coalmine.connect();
        connection.send([header, said.as_bytes()].concat());
        let text = connection.receive().text();
        assert!(text.lines().any(|line| line == format!("x-forwarded-for: {expected}")), "{text}");
    }
}

#[test]
fn each_client_that_a_header_names_has_its_own_number() {
    let backend = Backend::start("a");
    let config = Config::of(&[&backend], &[]).listen("proxy_protocol = [\"127.0.0.0/8\"]");
    let coalmine = config.limits("client_connections = 1").start();
    let mut first = begun(&coalmine, V1);
    assert_eq!(first.receive().status(), 200);
    assert_eq!(answered(&coalmine, V1), 503);
    assert_eq!(coalmine.refused("client_connections"), 1.0);
    assert_eq!(answered(&coalmine, V1_6), 200, "another client of the same proxy");
    drop(first);
    eventually("there is a place again", || answered(&coalmine, V1) == 200);
}

#[test]
fn a_stop_does_not_wait_for_a_header() {
    let (_backend, mut coalmine) = behind("127.0.0.0/8", "handshake_timeout = \"10m\"");
    let mut silent = coalmine.connect();
    assert_eq!(forwarded_for(&coalmine, V1), "192.0.2.7");
    coalmine.process.signal("TERM");
    assert_eq!(coalmine.process.wait().code, Some(0));
    assert_eq!(silent.receive_to_end().unwrap_or_default(), b"");
}

/// A balancer for which these networks speak for others.
fn behind(networks: &str, line: &str) -> (Backend, Coalmine) {
    let backend = Backend::start("a");
    backend.on("", Script::new().echo());
    let config = Config::of(&[&backend], &[]).log("access = \"json\"");
    let coalmine = config.listen(&format!("proxy_protocol = [\"{networks}\"]")).listen(line).start();
    (backend, coalmine)
}

/// What the backend is told about the client of a connection that begins with `header`.
#[track_caller]
fn forwarded_for(coalmine: &Coalmine, header: &[u8]) -> String {
    let mut connection = begun(coalmine, header);
    let text = connection.receive().text();
    let line = text.lines().find_map(|line| line.strip_prefix("x-forwarded-for: "));
    line.unwrap_or_else(|| panic!("no client in {text}")).to_owned()
}

#[track_caller]
fn answered(coalmine: &Coalmine, header: &[u8]) -> u16 {
    begun(coalmine, header).receive().status()
}

fn begun(coalmine: &Coalmine, header: &[u8]) -> Connection {
    let mut connection = coalmine.connect();
    connection.send([header, request("GET", "/", &[]).as_bytes()].concat());
    connection
}

fn refused(coalmine: &Coalmine) -> f64 {
    coalmine.metric("coalmine_refused_total", &[("reason", "proxy_protocol")])
}
