//! More clients than there is room for: what is above the limits is refused at once, what is below is served.

use std::net::IpAddr;

use crate::support::client::request;
use crate::support::coalmine::Coalmine;
use crate::support::{Backend, Config, Connection, Latch, Script, eventually};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[test]
fn a_connection_above_the_limit_is_told_so_at_once_and_closed() {
    let backend = Backend::start("a");
    let coalmine = Config::of(&[&backend], &[]).limits("max_connections = 2").start();
    let mut inside: Vec<_> = (0..2).map(|_| coalmine.connect()).collect();
    for connection in &mut inside {
        assert_eq!(connection.get("/").text(), "a");
    }
    let mut silent = coalmine.connect();
    assert_overload(&mut silent);
    let mut asking = coalmine.connect();
    asking.send(request("POST", "/", &["Content-Length: 5"]) + "hello");
    assert_overload(&mut asking);
    assert_eq!(coalmine.refused("connections"), 2.0);
    assert_eq!(backend.count(), 2);
    for connection in &mut inside {
        assert_eq!(connection.get("/").text(), "a", "who is in is served on");
    }
    drop(inside.pop());
    eventually("there is a place again", || coalmine.get("/").status() == 200);
}

#[test]
fn refusing_many_never_ends_accepting() {
    let backend = Backend::start("a");
    let coalmine = Config::of(&[&backend], &[]).limits("max_connections = 1").start();
    let mut inside = coalmine.connect();
    assert_eq!(inside.get("/").text(), "a");
    let mut outside: Vec<_> = (0..300).map(|_| coalmine.connect()).collect();
    eventually("all are refused", || coalmine.refused("connections") == 300.0);
    assert_overload(&mut outside[0]);
    assert_eq!(inside.get("/").text(), "a");
    drop((inside, outside));
    eventually("there is a place again", || coalmine.get("/").status() == 200);
}

#[test]
fn each_address_that_is_listened_on_has_its_own_number() {
    let backend = Backend::start("a");
    let config = Config::of(&[&backend], &[]).listen("http = [\"127.0.0.1:0\", \"127.0.0.1:0\"]\nworkers = 2");
    let coalmine = config.limits("listener_connections = 1").start();
    let [one, other] = coalmine.listeners("http")[..] else { panic!("two listeners") };
    let mut first = Connection::open(one);
    assert_eq!(first.get("/").text(), "a");
    assert_overload(&mut Connection::open(one));
    let mut second = Connection::open(other);
    assert_eq!(second.get("/").text(), "a");
    assert_overload(&mut Connection::open(other));
    assert_eq!(coalmine.refused("listener_connections"), 2.0);
    drop(first);
    eventually("there is a place again", || Connection::open(one).get("/").status() == 200);
}

#[test]
fn each_client_has_its_own_number() {
    let backend = Backend::start("a");
    let coalmine = Config::of(&[&backend], &[]).limits("client_connections = 1").start();
    let [one, other] = ["127.0.0.1", "127.0.0.2"].map(|text| text.parse::<IpAddr>().unwrap());
    let mut first = Connection::open_from(one, coalmine.http);
    assert_eq!(first.get("/").text(), "a");
    assert_overload(&mut Connection::open_from(one, coalmine.http));
    assert_eq!(Connection::open_from(other, coalmine.http).get("/").text(), "a");
    assert_eq!(coalmine.refused("client_connections"), 1.0);
    drop(first);
    eventually("there is a place again", || Connection::open_from(one, coalmine.http).get("/").status() == 200);
}

#[test]
fn a_trusted_proxy_is_no_client() {
    let backend = Backend::start("a");
    let config = Config::of(&[&backend], &[]).listen("trusted_proxies = [\"127.0.0.0/8\"]");
    let coalmine = config.limits("client_connections = 1").start();
    let mut connections: Vec<_> = (0..5).map(|_| coalmine.connect()).collect();
    assert!(connections.iter_mut().all(|connection| connection.get("/").text() == "a"));
}

#[test]
fn a_request_above_the_limit_is_refused_and_its_connection_is_kept() {
    let (backend, latch) = (Backend::start("a"), Latch::shut());
    backend.on("/hold", Script::new().read_body().hold(&latch).send(OK));
    let coalmine = Config::of(&[&backend], &[]).limits("max_requests = 1").start();
    let mut first = coalmine.connect();
    first.send(request("GET", "/hold", &[]));
    eventually("it is in flight", || backend.count() == 1);
    let mut second = coalmine.connect();
    for _ in 0..3 {
        let refused = second.get("/");
        assert_eq!((refused.status(), refused.text().as_str()), (503, "503 service unavailable: overload\n"));
        assert_eq!(refused.head.get("retry-after").as_deref(), Some("1"));
        assert_eq!(refused.head.get("connection"), None);
    }
    assert_eq!((coalmine.refused("requests"), backend.count()), (3.0, 1));
    latch.open();
    assert_eq!(first.receive().text(), "ok");
    eventually("its turn is over", || second.get("/").status() == 200);
}

#[test]
fn a_request_that_is_refused_or_broken_off_takes_no_turn_with_it() {
    let (backend, latch) = (Backend::start("a"), Latch::shut());
    backend.on("/hold", Script::new().read_body().hold(&latch).send(OK));
    let coalmine = Config::of(&[&backend], &[]).limits("max_requests = 1").start();
    assert_eq!(coalmine.get("/../x").status(), 400);
    assert_eq!(coalmine.get("/").text(), "a");
    let mut gone = coalmine.connect();
    gone.send(request("GET", "/hold", &[]));
    eventually("it is in flight", || backend.count() == 2);
    drop(gone);
    eventually("its turn is over", || coalmine.get("/").status() == 200);
}

#[test]
fn operators_are_let_in_whatever_the_crowd() {
    let backend = Backend::start("a");
    let limits = "max_connections = 1\nmax_requests = 1\nclient_connections = 1\nrate = { requests = 1, burst = 1 }";
    let coalmine = Config::of(&[&backend], &[]).limits(limits).start();
    let mut inside = coalmine.connect();
    inside.get("/");
    let _outside: Vec<_> = (0..50).map(|_| coalmine.connect()).collect();
    for _ in 0..20 {
        assert!(coalmine.is_ready());
        assert_eq!(coalmine.ask("GET", "/metrics").status(), 200);
    }
}

#[test]
fn without_a_number_the_limit_of_open_files_decides() {
    let backend = Backend::start("a");
    // 64 connections are the fewest, whatever the files.
    let coalmine = Coalmine::start_with_files(&Config::of(&[&backend], &[]), 300);
    coalmine.wait_ready();
    let mut all: Vec<_> = (0..65).map(|_| coalmine.connect()).collect();
    eventually("one is too many", || coalmine.refused("connections") == 1.0);
    assert_eq!(coalmine.metric("coalmine_accept_errors_total", &[]), 0.0);
    let served = all.iter_mut().filter_map(|connection| {
        connection.try_send(request("GET", "/", &[])).ok()?;
        connection.try_receive().ok().filter(|response| response.status() == 200)
    });
    assert_eq!(served.count(), 64);
}

#[track_caller]
fn assert_overload(connection: &mut Connection) {
    let refused = connection.receive();
    assert_eq!((refused.status(), refused.text().as_str()), (503, "503 service unavailable: overload\n"));
    assert_eq!(refused.head.get("retry-after").as_deref(), Some("1"));
    assert_eq!(refused.head.get("connection").as_deref(), Some("close"));
    // A client that was slow to take it may see a reset then.
    assert!(connection.receive_to_end().is_ok_and(|rest| rest.is_empty()) || connection.has_ended());
}
