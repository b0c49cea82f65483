//! Bodies flow through: at once, at the pace of the slower side, and no further than the client stays.

use std::time::{Duration, Instant};

use crate::support::client::request;
use crate::support::{Backend, Config, Latch, Script, eventually, for_a_while};

const MIB: u64 = 1024 * 1024;
/// Far more than all socket buffers on the way hold.
const ENDLESS: u64 = 1024 * MIB;

#[test]
fn a_big_response_arrives_whole() {
    let backend = Backend::start("a");
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 16 * MIB);
    backend.on("/big", Script::new().send(head).flood(16 * MIB));
    let coalmine = Config::of(&[&backend], &[]).start();
    let mut connection = coalmine.connect();
    assert_eq!(connection.get("/big").body.bytes.len() as u64, 16 * MIB);
    assert_eq!(connection.get("/").text(), "a");
}

#[test]
fn a_big_request_arrives_whole() {
    let backend = Backend::start("a");
    let coalmine = Config::of(&[&backend], &[]).start();
    let body: Vec<u8> = (0..8 * MIB).map(|n| (n % 251) as u8).collect();
    let mut connection = coalmine.connect();
    connection.send(request("POST", "/", &[&format!("Content-Length: {}", body.len())]));
    connection.send(&body);
    assert_eq!(connection.receive().status(), 200);
    connection.send(request("POST", "/", &["Transfer-Encoding: chunked"]));
    for chunk in body.chunks(100_000) {
        connection.send(format!("{:x}\r\n", chunk.len()));
        connection.send(chunk);
        connection.send("\r\n");
    }
    connection.send("0\r\n\r\n");
    assert_eq!(connection.receive().status(), 200);
    assert!(backend.requests().iter().all(|request| request.body.bytes == body));
}

#[test]
fn the_first_bytes_of_a_response_do_not_wait_for_the_last() {
    let backend = Backend::start("a");
    let latch = Latch::shut();
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n";
    backend.on("/s", Script::new().send(head).hold(&latch).send("4\r\nlast\r\n0\r\n\r\n"));
    let coalmine = Config::of(&[&backend], &[]).start();
    let mut connection = coalmine.connect();
    connection.send(request("GET", "/s", &[]));
    assert_eq!(connection.receive_head().status(), 200);
    connection.receive_until("first");
    latch.open();
    connection.receive_until("last");
}

#[test]
fn the_first_bytes_of_a_request_do_not_wait_for_the_last() {
    let backend = Backend::start("a");
    let coalmine = Config::of(&[&backend], &[]).start();
    let mut connection = coalmine.connect();
    connection.send(request("POST", "/", &["Content-Length: 9"]));
    connection.send("first");
    eventually("the first bytes arrived", || backend.received() == 5);
    connection.send("last");
    assert_eq!(connection.receive().status(), 200);
}

#[test]
fn a_client_that_does_not_read_holds_the_backend_back() {
    let backend = Backend::start("a");
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {ENDLESS}\r\n\r\n");
    backend.on("/endless", Script::new().send(head).flood(ENDLESS).await_end());
    let coalmine = Config::of(&[&backend], &[]).start();
    let mut connection = coalmine.connect();
    connection.send(request("GET", "/endless", &[]));
    assert_eq!(connection.receive_head().status(), 200);
    let (mut flooded, mut since) = (0, Instant::now());
    eventually("the backend cannot write on", || {
        if backend.flooded() != flooded {
            (flooded, since) = (backend.flooded(), Instant::now());
        }
        since.elapsed() > Duration::from_millis(500)
    });
    assert!(flooded > 0 && flooded < ENDLESS / 8, "{flooded} bytes were taken without a reader");
}

#[test]
fn a_backend_that_does_not_read_holds_the_client_back() {
    let backend = Backend::start("a");
    let latch = Latch::shut();
    backend.on("/endless", Script::new().hold(&latch).close());
    let coalmine = Config::of(&[&backend], &[]).start();
    let mut connection = coalmine.connect();
    connection.send(request("POST", "/endless", &[&format!("Content-Length: {ENDLESS}")]));
    let taken = connection.write_until_blocked(&[0; 64 * 1024], ENDLESS);
    latch.open();
    assert!(taken > 0 && taken < ENDLESS / 8, "{taken} bytes were taken without a reader");
}

#[test]
fn a_client_that_reads_only_after_its_upload_holds_nothing_up() {
    let backend = Backend::start("a");
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 32 * MIB);
    backend.on("/both", Script::new().send(head).duplex(32 * MIB));
    let coalmine = Config::of(&[&backend], &[]).start();
    let mut connection = coalmine.connect();
    connection.send(request("POST", "/both", &[&format!("Content-Length: {}", 32 * MIB)]));
    for _ in 0..32 {
        connection.send(vec![0; MIB as usize]);
    }
    assert_eq!(connection.receive().body.bytes.len() as u64, 32 * MIB);
}

#[test]
fn a_client_that_goes_away_ends_the_call_to_the_backend() {
    let backend = Backend::start("a");
    backend.on("/silent", Script::new().await_end());
    backend.on("/half", Script::new().send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc").await_end());
    let coalmine = Config::of(&[&backend], &[]).start();
    for (n, path) in [(1, "/silent"), (2, "/half")] {
        let mut connection = coalmine.connect();
        connection.send(request("GET", path, &[]));
        eventually("the request arrived", || backend.count() == n);
        for_a_while(Duration::from_millis(50));
        assert_eq!(backend.ended(), n - 1);
        drop(connection);
        eventually("the backend sees the end", || backend.ended() == n);
    }
    eventually("both are counted", || coalmine.metric("coalmine_requests_total", &[("class", "canceled")]) >= 1.0);
    assert_eq!(coalmine.metric("coalmine_requests_in_flight", &[]), 0.0);
}

#[test]
fn a_client_that_goes_away_within_its_upload_ends_the_call_to_the_backend() {
    let backend = Backend::start("a");
    backend.on("/up", Script::new().await_end());
    let coalmine = Config::of(&[&backend], &[]).start();
    let mut connection = coalmine.connect();
    connection.send(request("POST", "/up", &["Content-Length: 1000"]));
    connection.send("some");
    eventually("the request arrived", || backend.count() == 1);
    drop(connection);
    eventually("the backend sees the end", || backend.ended() == 1);
    eventually("it is counted", || coalmine.metric("coalmine_requests_total", &[("class", "canceled")]) == 1.0);
    assert_eq!(coalmine.metric("coalmine_backend_failures_total", &[]), 0.0, "it is not the backend's fault");
}
