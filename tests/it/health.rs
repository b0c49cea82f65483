//! What probes do to backends and to the gate.

use std::time::Duration;

use crate::support::client::{get, request};
use crate::support::coalmine::Coalmine;
use crate::support::process_backend::ProcessBackend;
use crate::support::{Backend, Config, Latch, Script, Service, Steady, eventually, for_a_while, load};

#[test]
fn the_canary_gets_nothing_before_its_first_passed_probe() {
    let (stable, canary) = (Backend::start("stable"), Backend::start("canary"));
    let latch = Latch::shut();
    canary.on_probe(Script::new().hold(&latch).send("HTTP/1.1 204 No Content\r\n\r\n"));
    let service = Service::of("web", &[&stable], &[&canary]).probe("timeout = \"30s\"");
    let coalmine = Coalmine::start(&Config::new().service(service));
    eventually("the probe came", || canary.probes().len() == 1);
    assert_eq!(load(coalmine.http, 60, 4).by("stable"), 60);
    assert!(!coalmine.is_ready(), "the first round of probes is not done");
    assert!(!coalmine.is_admitted("web"));
    latch.open();
    coalmine.wait_admitted("web");
    coalmine.wait_ready();
    assert_eq!(load(coalmine.http, 60, 4).by("canary"), 20);
}

#[test]
fn a_canary_that_never_passed_stays_out_and_says_why() {
    let (stable, canary) = (Backend::start("stable"), Backend::start("canary"));
    canary.set_healthy(false);
    let coalmine = quick(&[&stable], &[&canary]).start();
    coalmine.wait_backend("web", "canary", "canary", "down");
    assert!(!coalmine.reasons("web").is_empty());
    assert_eq!(load(coalmine.http, 30, 2).by("stable"), 30);
}

#[test]
fn one_failed_probe_ejects_the_canary_and_passed_ones_bring_it_back() {
    let (stable, canary) = (Backend::start("stable"), Backend::start("canary"));
    // The defaults of the track: fall 1, rise 2.
    let coalmine = Config::of(&[&stable], &[&canary]).start_admitted();
    assert_eq!(coalmine.metric("coalmine_gate_admitted", &[("service", "web")]), 1.0);
    let failing = canary.probes().len();
    canary.set_healthy(false);
    coalmine.wait_ejected("web", "probe");
    assert!(canary.probes().len() - failing <= 3, "it took {} probes", canary.probes().len() - failing);
    assert!(coalmine.backend("web", "canary", "canary")["reason"].is_string());
    assert_eq!(load(coalmine.http, 30, 2).by("stable"), 30);
    assert_eq!(coalmine.metric("coalmine_gate_admitted", &[("service", "web")]), 0.0);
    assert_eq!(coalmine.metric("coalmine_gate_reason", &[("reason", "probe")]), 1.0);
    assert_eq!(coalmine.metric("coalmine_ejections_total", &[("service", "web"), ("reason", "probe")]), 1.0);
    assert!(coalmine.metric("coalmine_eject_seconds_count", &[]) >= 1.0);
    canary.set_healthy(true);
    coalmine.wait_admitted("web");
    assert_eq!(load(coalmine.http, 30, 2).by("canary"), 10);
    let backend = coalmine.backend("web", "canary", "canary");
    assert!(backend["state"] == "up" && backend["reason"].is_null(), "{backend}");
}

#[test]
fn a_readmission_takes_as_many_passes_as_rise_says() {
    let (stable, canary) = (Backend::start("stable"), Backend::start("canary"));
    let service = Service::of("web", &[&stable], &[&canary]).quick_probes().probe("rise = 4");
    let coalmine = Config::new().service(service).start_admitted();
    canary.set_healthy(false);
    coalmine.wait_ejected("web", "probe");
    canary.set_healthy(true);
    let before = canary.probes().len();
    coalmine.wait_admitted("web");
    let took = canary.probes().len() - before;
    assert!((3..=8).contains(&took), "{took} probes, one of which may have come before they were counted");
}

#[test]
fn after_an_alert_it_takes_rise_passes_too() {
    let (stable, canary) = (Backend::start("stable"), Backend::start("canary"));
    let service = Service::of("web", &[&stable], &[&canary]).quick_probes().probe("rise = 4");
    let coalmine = Config::new().service(service).start_admitted();
    coalmine.raise("web");
    coalmine.wait_ejected("web", "alert");
    coalmine.clear("web");
    let before = canary.probes().len();
    coalmine.wait_admitted("web");
    assert!(canary.probes().len() - before >= 3, "{} probes", canary.probes().len() - before);
}

#[test]
fn a_canary_stays_out_until_the_last_of_its_reasons_has_gone() {
    let (stable, canary) = (Backend::start("stable"), Backend::start("canary"));
    let coalmine = quick(&[&stable], &[&canary]).start_admitted();
    canary.set_healthy(false);
    coalmine.wait_ejected("web", "probe");
    coalmine.raise("web");
    eventually("both reasons are shown", || coalmine.reasons("web").len() == 2);
    canary.set_healthy(true);
    eventually("the probe's reason goes", || coalmine.reasons("web") == ["alert"]);
    for_a_while(Duration::from_millis(300));
    assert!(!coalmine.is_admitted("web"));
    coalmine.clear("web");
    coalmine.wait_admitted("web");
}

#[test]
fn a_canary_with_one_backend_left_stays_admitted() {
    let (stable, one, two) = (Backend::start("stable"), Backend::start("one"), Backend::start("two"));
    let coalmine = quick(&[&stable], &[&one, &two]).start_admitted();
    coalmine.wait_backend("web", "canary", "two", "up");
    coalmine.wait_backend("web", "canary", "one", "up");
    one.set_healthy(false);
    coalmine.wait_backend("web", "canary", "one", "down");
    assert!(coalmine.is_admitted("web"));
    let tally = load(coalmine.http, 60, 2);
    assert_eq!((tally.by("stable"), tally.by("one"), tally.by("two")), (40, 0, 20));
    two.set_healthy(false);
    coalmine.wait_ejected("web", "probe");
}

#[test]
fn a_stable_backend_leaves_the_rotation_after_fall_failures_and_returns_after_rise_passes() {
    let (a, b) = (Backend::start("a"), Backend::start("b"));
    let service = Service::of("web", &[&a, &b], &[]).quick_probes().probe("fall = 3").probe("rise = 2");
    let coalmine = Config::new().service(service).start();
    coalmine.wait_backend("web", "stable", "a", "up");
    let before = a.probes().len();
    a.set_healthy(false);
    coalmine.wait_backend("web", "stable", "a", "down");
    assert!(a.probes().len() - before >= 3);
    assert_eq!(load(coalmine.http, 30, 2).by("b"), 30);
    assert_eq!(coalmine.metric("coalmine_backend_up", &[("backend", "a")]), 0.0);
    assert!(coalmine.metric("coalmine_probes_total", &[("backend", "a"), ("result", "failed")]) >= 3.0);
    a.set_healthy(true);
    coalmine.wait_backend("web", "stable", "a", "up");
    assert_eq!(load(coalmine.http, 30, 2).by("a"), 15);
}

#[test]
fn a_killed_canary_is_ejected() {
    let stable = Backend::start("stable");
    let mut canary = ProcessBackend::start("canary");
    let coalmine = Config::new().service(beside(&stable, &canary)).start_admitted();
    assert_eq!(load(coalmine.http, 30, 2).by("canary"), 10);
    canary.kill();
    coalmine.wait_ejected("web", "probe");
    assert_eq!(load(coalmine.http, 30, 2).by("stable"), 30);
}

#[test]
fn a_frozen_canary_is_ejected_and_comes_back_when_it_thaws() {
    let stable = Backend::start("stable");
    let canary = ProcessBackend::start("canary");
    let coalmine = Config::new().service(beside(&stable, &canary)).start_admitted();
    canary.freeze();
    coalmine.wait_ejected("web", "probe");
    assert_eq!(load(coalmine.http, 30, 2).by("stable"), 30);
    canary.thaw();
    coalmine.wait_admitted("web");
    assert_eq!(load(coalmine.http, 30, 2).by("canary"), 10);
}

#[test]
fn a_slow_canary_is_ejected() {
    let (stable, canary) = (Backend::start("stable"), Backend::start("canary"));
    let service = Service::of("web", &[&stable], &[&canary]).quick_probes().probe("timeout = \"1s\"");
    let coalmine = Config::new().service(service).start_admitted();
    let late = Duration::from_millis(1500);
    canary.on_probe(Script::new().wait(late).send("HTTP/1.1 204 No Content\r\n\r\n"));
    coalmine.wait_ejected("web", "probe");
    canary.set_healthy(true);
    coalmine.wait_admitted("web");
    // A head in time is not enough where the body is asked for.
    canary.on_probe(Script::new().send("HTTP/1.1 500 x\r\nContent-Length: 5\r\n\r\n").await_end());
    coalmine.wait_ejected("web", "probe");
}

#[test]
fn an_ejection_under_load_costs_no_client_an_error() {
    let (stable, canary) = (Backend::start("stable"), Backend::start("canary"));
    let coalmine = quick(&[&stable], &[&canary]).start_admitted();
    let steady = Steady::start(coalmine.http, 4);
    for _ in 0..3 {
        canary.set_healthy(false);
        coalmine.wait_ejected("web", "probe");
        canary.set_healthy(true);
        coalmine.wait_admitted("web");
    }
    let tally = steady.stop();
    assert!(tally.by("canary") > 0 && tally.by("stable") > tally.by("canary"), "{tally:?}");
}

#[test]
fn one_backend_that_hangs_delays_the_probes_of_no_other() {
    let (stable, hangs, fails) = (Backend::start("stable"), Backend::start("hangs"), Backend::start("fails"));
    let service = Service::of("web", &[&stable], &[&hangs, &fails]).quick_probes().probe("timeout = \"30s\"");
    hangs.on_probe(Script::new().await_end());
    let coalmine = Coalmine::start(&Config::new().service(service));
    coalmine.wait_backend("web", "canary", "fails", "up");
    fails.set_healthy(false);
    coalmine.wait_backend("web", "canary", "fails", "down");
    assert_eq!(coalmine.backend("web", "canary", "hangs")["state"], "unknown");
}

#[test]
fn a_probe_asks_for_what_is_configured() {
    let backend = Backend::start("a");
    let service = Service::of("web", &[&backend], &[])
        .probe("path = \"/healthz?deep=1\"")
        .probe("host = \"health.example\"")
        .probe("expect_status = [\"204\", \"418-420\"]")
        .quick_probes();
    backend.on_probe(Script::answer(419, "tea"));
    let coalmine = Config::new().service(service).start();
    coalmine.wait_backend("web", "stable", "a", "up");
    let probe = backend.probes().remove(0);
    assert_eq!(
        (probe.start.as_str(), probe.get("host").as_deref()),
        ("GET /healthz?deep=1 HTTP/1.1", Some("health.example"))
    );
    backend.on_probe(Script::answer(200, "no tea"));
    coalmine.wait_backend("web", "stable", "a", "down");
}

#[test]
fn a_probe_can_ask_for_text_in_the_body() {
    let backend = Backend::start("a");
    let service = Service::of("web", &[&backend], &[]).probe("expect_body = \"all is well\"").quick_probes();
    backend.on_probe(Script::answer(200, "I say all is well here"));
    let coalmine = Config::new().service(service).start();
    coalmine.wait_backend("web", "stable", "a", "up");
    backend.on_probe(Script::answer(200, "all is"));
    coalmine.wait_backend("web", "stable", "a", "down");
}

#[test]
fn a_track_can_have_probes_of_its_own() {
    let (stable, canary) = (Backend::start("stable"), Backend::start("canary"));
    let service = Service::new("web")
        .probe("path = \"/both\"")
        .named("stable", 2, &[&stable])
        .named("canary", 1, &[&canary])
        .table("canary.probe", "path = \"/canary\"");
    let coalmine = Config::new().service(service).start_admitted();
    assert_eq!(coalmine.get("/").status(), 200);
    assert_eq!((stable.probes()[0].word(1), canary.probes()[0].word(1)), ("/both", "/canary"));
}

#[test]
fn a_request_that_runs_when_its_backend_is_taken_out_still_ends_well() {
    let (stable, canary) = (Backend::start("stable"), Backend::start("canary"));
    let latch = Latch::shut();
    for backend in [&stable, &canary] {
        backend.on("/slow", Script::new().hold(&latch).send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow"));
    }
    let coalmine = quick(&[&stable], &[&canary]).start_admitted();
    let mut connections: Vec<_> = (0..3).map(|_| coalmine.connect()).collect();
    for connection in &mut connections {
        connection.send(request("GET", "/slow", &[]));
    }
    eventually("all three arrived", || stable.count() + canary.count() == 3);
    assert_eq!(canary.count(), 1);
    coalmine.raise("web");
    coalmine.wait_ejected("web", "alert");
    latch.open();
    for connection in &mut connections {
        assert_eq!(connection.receive().text(), "slow");
    }
    assert_eq!(get(coalmine.http, "/").text(), "stable");
}

fn quick(stable: &[&Backend], canary: &[&Backend]) -> Config {
    Config::new().service(Service::of("web", stable, canary).quick_probes())
}

fn beside(stable: &Backend, canary: &ProcessBackend) -> Service {
    Service::new("web")
        .track("stable", 2, &[stable.address])
        .track("canary", 1, &[canary.address])
        .quick_probes()
        .probe("timeout = \"1s\"")
}
