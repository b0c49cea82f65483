//! The support itself: a scripted backend does what its script says, and the client tells a whole response from a
//! broken one.

use std::time::Duration;

use super::backend::Refusing;
use super::client::{Broken, get, request};
use super::process_backend::ProcessBackend;
use super::{Backend, Connection, Latch, Script, Steady, eventually, for_a_while, load};

#[test]
fn a_backend_answers_with_its_id_and_counts_without_probes() {
    let backend = Backend::start("a");
    let mut connection = Connection::open(backend.address);
    assert_eq!(connection.get("/x?q").text(), "a");
    assert_eq!(connection.request("GET", "/", &["User-Agent: coalmine-probe/1"]).status(), 200);
    backend.set_healthy(false);
    assert_eq!(connection.request("GET", "/", &["User-Agent: coalmine-probe/1"]).status(), 500);
    assert_eq!(backend.counts().into_iter().collect::<Vec<_>>(), [("GET /x".to_owned(), 1)]);
    assert_eq!((backend.count(), backend.probes().len(), backend.connections()), (1, 2, 1));
}

#[test]
fn a_backend_can_treat_a_reused_connection_differently() {
    let backend = Backend::start("a");
    backend.on_reused("/x", Script::new().close());
    let mut connection = Connection::open(backend.address);
    assert_eq!(connection.get("/").text(), "a");
    connection.send(request("GET", "/x", &[]));
    assert!(matches!(connection.try_receive(), Err(Broken::NoHead)));
    assert_eq!(get(backend.address, "/x").text(), "a");
}

#[test]
fn a_backend_echoes_head_body_and_trailers() {
    let backend = Backend::start("a");
    backend.on("/e", Script::new().echo());
    let mut connection = Connection::open(backend.address);
    connection.send("POST /e HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nT: 1\r\n\r\n");
    assert_eq!(connection.receive().text(), "POST /e HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nabc\r\nt: 1\r\n");
    assert_eq!((backend.received(), backend.requests()[0].body.bytes.as_slice()), (3, b"abc".as_slice()));
}

#[test]
fn a_broken_body_is_told_from_a_whole_one() {
    let backend = Backend::start("a");
    let short = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc";
    for (path, script) in [
        ("/close", Script::new().send(short).close()),
        ("/reset", Script::new().send(short).wait(Duration::from_millis(50)).reset()),
        ("/chunk", Script::new().send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n").close()),
    ] {
        backend.on(path, script);
        let mut connection = Connection::open(backend.address);
        connection.send(request("GET", path, &[]));
        let broken = connection.try_receive();
        assert!(matches!(&broken, Err(Broken::InBody(response)) if response.text() == "abc"), "{path}: {broken:?}");
    }
    backend.on("/until-close", Script::new().send("HTTP/1.1 200 OK\r\n\r\nabc").half_close());
    assert_eq!(get(backend.address, "/until-close").text(), "abc");
}

#[test]
fn a_backend_waits_for_the_latch_and_sees_its_peer_go() {
    let backend = Backend::start("a");
    let latch = Latch::shut();
    backend.on("/", Script::new().hold(&latch).send("HTTP/1.1 103 x\r\n\r\nHTTP/1.1 204 x\r\n\r\n").await_end());
    let mut connection = Connection::open(backend.address);
    connection.send(request("GET", "/", &[]));
    eventually("the request came", || backend.count() == 1);
    latch.open();
    let response = connection.receive();
    assert_eq!((response.status(), response.interim.as_slice(), backend.ended()), (204, [103].as_slice(), 0));
    drop(connection);
    eventually("the end was seen", || backend.ended() == 1);
}

#[test]
fn load_is_counted_by_the_backend_that_answered() {
    let backend = Backend::start("a");
    assert_eq!(load(backend.address, 100, 4).by("a"), 100);
    let steady = Steady::start(backend.address, 2);
    eventually("some load", || steady.begun() > 20);
    assert!(steady.stop().total() >= 20);
}

#[test]
fn a_backend_in_its_own_process_can_be_frozen_and_killed() {
    let mut backend = ProcessBackend::start("p");
    assert_eq!(get(backend.address, "/").text(), "p");
    backend.freeze();
    let mut connection = Connection::open(backend.address);
    connection.send(request("GET", "/", &[]));
    for_a_while(Duration::from_millis(50));
    backend.thaw();
    assert_eq!(connection.receive().text(), "p");
    backend.kill();
    assert!(Connection::try_open(backend.address).is_err());
}

#[test]
fn a_refusing_address_refuses() {
    assert!(Connection::try_open(Refusing::start().address).is_err());
}
