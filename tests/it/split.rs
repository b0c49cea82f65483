//! How requests are shared between the tracks, and between the backends of a track.

use std::time::Duration;

use crate::support::coalmine::Coalmine;
use crate::support::{Backend, Config, Latch, Script, Service, client, eventually, for_a_while, load};

#[test]
fn three_thousand_requests_over_eight_connections_and_two_workers_split_exactly() {
    let (a, b, c, canary) = (Backend::start("a"), Backend::start("b"), Backend::start("c"), Backend::start("canary"));
    let coalmine = Config::of(&[&a, &b, &c], &[&canary]).listen("workers = 2").start_admitted();
    let tally = load(coalmine.http, 3000, 8);
    assert_eq!((tally.by("canary"), canary.count()), (1000, 1000));
    let mut stable = [a.count(), b.count(), c.count()];
    stable.sort_unstable();
    assert_eq!(stable, [666, 667, 667]);
}

#[test]
fn every_window_of_three_requests_holds_one_for_the_canary() {
    let (stable, canary) = (Backend::start("stable"), Backend::start("canary"));
    let coalmine = Config::of(&[&stable], &[&canary]).start_admitted();
    let answers = in_turn(&coalmine, 30);
    assert!(answers.windows(3).all(|window| canaries(window) == 1), "{answers:?}");
}

#[test]
fn a_window_is_exact_for_other_weights_as_well() {
    let (stable, canary) = (Backend::start("stable"), Backend::start("canary"));
    let service = Service::new("web").named("stable", 7, &[&stable]).named("canary", 3, &[&canary]);
    let coalmine = Config::new().service(service).start_admitted();
    let answers = in_turn(&coalmine, 50);
    assert!(answers.windows(10).all(|window| canaries(window) == 3), "{answers:?}");
}

#[test]
fn the_split_is_exact_again_after_an_eject_and_a_readmit() {
    let (a, b, c, canary) = (Backend::start("a"), Backend::start("b"), Backend::start("c"), Backend::start("canary"));
    let coalmine = Config::of(&[&a, &b, &c], &[&canary]).listen("workers = 2").start_admitted();
    assert_eq!(load(coalmine.http, 300, 8).by("canary"), 100);
    coalmine.raise("web");
    coalmine.wait_ejected("web", "alert");
    let out = load(coalmine.http, 300, 8);
    assert_eq!((out.by("canary"), out.by("a"), out.by("b"), out.by("c")), (0, 100, 100, 100));
    coalmine.clear("web");
    coalmine.wait_admitted("web");
    assert_eq!(load(coalmine.http, 300, 8).by("canary"), 100);
    let answers = in_turn(&coalmine, 12);
    assert!(answers.windows(3).all(|window| canaries(window) == 1), "{answers:?}");
}

#[test]
fn the_weights_of_backends_are_kept_within_a_track() {
    let (a, b) = (Backend::start("a"), Backend::start("b"));
    let backends = format!(
        "backends = [{{ address = \"{}\", weight = 3 }}, {{ address = \"{}\", weight = 1 }}]",
        a.address, b.address
    );
    let coalmine = Config::new().service(Service::new("web").table("stable", &backends)).start();
    load(coalmine.http, 80, 4);
    assert_eq!((a.count(), b.count()), (60, 20));
}

#[test]
fn a_service_without_a_canary_is_an_ordinary_balanced_one() {
    let (a, b) = (Backend::start("a"), Backend::start("b"));
    let coalmine = Config::of(&[&a, &b], &[]).start();
    load(coalmine.http, 100, 4);
    assert_eq!((a.count(), b.count()), (50, 50));
    assert!(coalmine.gate("web").is_null());
}

#[test]
fn a_canary_of_weight_zero_gets_no_request() {
    let (stable, canary) = (Backend::start("stable"), Backend::start("canary"));
    let coalmine = Config::new().service(weights(2, &stable, 0, &canary)).start();
    coalmine.wait_backend("web", "canary", "canary", "up");
    load(coalmine.http, 60, 4);
    stable.set_healthy(false);
    coalmine.wait_backend("web", "stable", "stable", "down");
    load(coalmine.http, 60, 4);
    assert_eq!((stable.count(), canary.count()), (120, 0));
}

#[test]
fn a_stable_of_weight_zero_leaves_all_to_the_canary_until_that_is_out() {
    let (stable, canary) = (Backend::start("stable"), Backend::start("canary"));
    let coalmine = Config::new().service(weights(0, &stable, 1, &canary)).start_admitted();
    assert_eq!(load(coalmine.http, 30, 2).by("canary"), 30);
    coalmine.raise("web");
    coalmine.wait_ejected("web", "alert");
    assert_eq!(load(coalmine.http, 30, 2).by("stable"), 30);
}

#[test]
fn an_admitted_canary_takes_all_when_no_stable_is_up() {
    let (stable, canary) = (Backend::start("stable"), Backend::start("canary"));
    let coalmine = Config::new().service(weights(2, &stable, 1, &canary)).start_admitted();
    stable.set_healthy(false);
    coalmine.wait_backend("web", "stable", "stable", "down");
    assert_eq!(load(coalmine.http, 30, 2).by("canary"), 30);
}

#[test]
fn stable_fails_open_over_all_its_backends_when_nothing_is_up() {
    let (a, b, canary) = (Backend::start("a"), Backend::start("b"), Backend::start("canary"));
    for backend in [&a, &b, &canary] {
        backend.set_healthy(false);
    }
    let service = Service::of("web", &[&a, &b], &[&canary]).quick_probes();
    let coalmine = Config::new().service(service).start();
    for (track, id) in [("stable", "a"), ("stable", "b"), ("canary", "canary")] {
        coalmine.wait_backend("web", track, id, "down");
    }
    load(coalmine.http, 40, 2);
    assert_eq!((a.count(), b.count(), canary.count()), (20, 20, 0));
}

#[test]
fn least_request_leaves_a_busy_backend_alone() {
    let (a, b) = (Backend::start("a"), Backend::start("b"));
    let latch = Latch::shut();
    for backend in [&a, &b] {
        backend.on("/slow", Script::new().hold(&latch).send("HTTP/1.1 204 No Content\r\n\r\n"));
    }
    let service = Service::of("web", &[&a, &b], &[]).key("balance = \"least_request\"");
    let coalmine = Config::new().service(service).start();
    let mut slow = coalmine.connect();
    slow.send(client::request("GET", "/slow", &[]));
    eventually("the slow request arrived", || a.count() + b.count() == 1);
    let idle = if a.count() == 0 { "a" } else { "b" };
    assert_eq!(load(coalmine.http, 20, 1).by(idle), 20);
    latch.open();
    assert_eq!(slow.receive().status(), 204);
}

#[test]
fn served_by_says_who_answered_only_where_it_is_asked_for() {
    let (stable, canary) = (Backend::start("stable"), Backend::start("canary"));
    let service = weights(2, &stable, 1, &canary).key("served_by_header = true");
    let coalmine = Config::new().service(service).start_admitted();
    let mut connection = coalmine.connect();
    for _ in 0..6 {
        let response = connection.get("/");
        let track = response.text();
        assert_eq!(response.head.get("x-served-by"), Some(format!("{track}/{track}")));
    }
    let plain = Config::of(&[&stable], &[]).start();
    assert_eq!(plain.get("/").head.get("x-served-by"), None);
}

#[test]
fn probes_take_no_ticket() {
    let (stable, canary) = (Backend::start("stable"), Backend::start("canary"));
    let coalmine = Config::new().service(weights(2, &stable, 1, &canary)).start_admitted();
    let mut answers = in_turn(&coalmine, 2);
    let probes = canary.probes().len();
    eventually("more probes", || canary.probes().len() > probes + 3);
    for_a_while(Duration::from_millis(20));
    answers.extend(in_turn(&coalmine, 4));
    assert!(answers.windows(3).all(|window| canaries(window) == 1), "{answers:?}");
}

/// Probed often: backends that fail once are out.
fn weights(stable: u16, stable_backend: &Backend, canary: u16, canary_backend: &Backend) -> Service {
    Service::new("web")
        .named("stable", stable, &[stable_backend])
        .named("canary", canary, &[canary_backend])
        .probe("timeout = \"5s\"")
        .quick_probes()
}

/// Who answered `count` requests, one after another.
fn in_turn(coalmine: &Coalmine, count: usize) -> Vec<String> {
    let mut connection = coalmine.connect();
    (0..count).map(|_| connection.get("/").text()).collect()
}

fn canaries(answers: &[String]) -> usize {
    answers.iter().filter(|answer| *answer == "canary").count()
}
