//! The one request by which an ejected canary comes back: its client sees nothing of it.

use coalmine::table::TrialState;

use crate::support::client::request;
use crate::support::plane::{Plane, retry_spec};
use crate::support::{Backend, Latch, Script, eventually};

#[test]
fn the_first_get_is_the_trial_and_passes_with_its_last_byte() {
    let (_stable, canary, mut plane) = out();
    let latch = Latch::shut();
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n";
    canary.on("/x", Script::new().read_body().send(head).hold(&latch).send("0\r\n\r\n"));
    let trial = plane.put_to_trial();
    let mut connection = plane.connect();
    connection.send(request("GET", "/x", &[]));
    assert_eq!(connection.receive_head().status(), 200);
    assert_eq!(trial.state(), TrialState::Answered);
    assert_eq!(plane.get("/").text(), "stable", "there is one trial");
    latch.open();
    connection.receive_until("0\r\n\r\n");
    eventually("it passed", || trial.state() == TrialState::Passed);
    assert_eq!(canary.count(), 1);
}

#[test]
fn only_a_get_without_a_body_is_put_to_the_trial() {
    let (stable, canary, mut plane) = out();
    let trial = plane.put_to_trial();
    for method in ["POST", "HEAD", "GET"] {
        let mut connection = plane.connect();
        connection.send(request(method, "/", &["Content-Length: 3"]) + "abc");
        let response = if method == "HEAD" { connection.receive_bodiless() } else { connection.receive() };
        assert_eq!(response.status(), 200);
    }
    assert_eq!((stable.count(), canary.count(), trial.passed_over()), (3, 0, 3));
    assert_eq!(trial.state(), TrialState::Waiting);
    assert_eq!(plane.get("/").text(), "canary");
    eventually("it passed", || trial.state() == TrialState::Passed);
}

#[test]
fn a_trial_that_fails_in_any_way_is_answered_by_stable() {
    let half = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc";
    for script in [
        Script::new().read_body().close(),
        Script::new().read_body().reset(),
        Script::new().send("nonsense\r\n\r\n").await_end(),
        Script::new().send(half).close(),
        Script::answer(500, "x"),
        Script::answer(507, "x"),
    ] {
        let (stable, canary, mut plane) = out();
        canary.on("", script);
        let trial = plane.put_to_trial();
        assert_eq!(plane.get("/").text(), "stable");
        assert_eq!((stable.count(), canary.count(), trial.state()), (1, 1, TrialState::Failed));
        assert_eq!(plane.get("/").text(), "stable");
        assert_eq!(canary.count(), 1, "one chance");
    }
}

#[test]
fn a_trial_whose_client_goes_away_gives_its_seat_back() {
    let (_stable, canary, mut plane) = out();
    canary.on("/silent", Script::new().await_end());
    let trial = plane.put_to_trial();
    let mut connection = plane.connect();
    connection.send(request("GET", "/silent", &[]));
    eventually("it waits", || canary.count() == 1);
    drop(connection);
    eventually("it is over", || canary.ended() == 1);
    eventually("another has its seat", || plane.get("/").text() == "canary");
    eventually("it passed", || trial.state() == TrialState::Passed);
    assert_eq!(plane.sample("c").failed, 0);
}

#[test]
fn a_trial_that_waits_moves_to_stable_when_the_canary_is_ejected_again() {
    let (_stable, canary, mut plane) = out();
    canary.on("", Script::new().await_end());
    let trial = plane.put_to_trial();
    let mut connection = plane.connect();
    connection.send(request("GET", "/", &[]));
    eventually("it waits", || canary.count() == 1);
    plane.eject();
    assert_eq!(connection.receive().text(), "stable");
    assert_eq!((trial.state(), plane.sample("c").failed), (TrialState::Waiting, 0));
}

fn out() -> (Backend, Backend, Plane) {
    let (stable, canary) = (Backend::start("stable"), Backend::start("canary"));
    let plane = Plane::start(retry_spec()).stable("s", stable.address).canary("c", canary.address).all_to_stable();
    (stable, canary, plane)
}
