//! What clients' own requests do to backends, whatever their probes say.

use crate::support::coalmine::Coalmine;
use crate::support::{Backend, Config, Script, eventually, load};

#[test]
fn a_canary_that_fails_requests_is_out_though_its_probe_passes_and_comes_back_by_a_trial() {
    let (stable, canary) = (Backend::start("stable"), Backend::start("canary"));
    let coalmine = Config::of(&[&stable], &[&canary]).start_admitted();
    load(coalmine.http, 30, 2);
    let before = canary.count();
    answers(&canary, 500);
    eventually("the canary is ejected by live traffic", || {
        coalmine.get("/");
        !coalmine.is_admitted("web")
    });
    let failed = canary.count() - before;
    assert!((5..30).contains(&failed), "{failed} requests");
    assert_eq!(coalmine.backend("web", "canary", "canary")["state"], "up", "its probe passes");
    assert_eq!(coalmine.metric("coalmine_ejections_total", &[("reason", "live")]), 1.0);

    // Its trials fail as long as it does.
    let tried = canary.count();
    eventually("a trial failed", || {
        coalmine.get("/");
        canary.count() > tried && coalmine.reasons("web") == ["live"]
    });
    assert_eq!(coalmine.metric("coalmine_gate_admitted", &[]), 0.0);

    answers(&canary, 200);
    coalmine.wait_admitted("web");
    assert_eq!(load(coalmine.http, 30, 2).by("canary"), 10);
}

#[test]
fn one_of_stable_is_out_by_live_traffic_and_the_last_one_never() {
    let (a, b, canary) = (Backend::start("a"), Backend::start("b"), Backend::start("canary"));
    let coalmine = Config::of(&[&a, &b], &[&canary]).start_admitted();
    answers(&a, 503);
    eventually("a is ejected", || {
        coalmine.get("/");
        coalmine.backend("web", "stable", "a")["ejected_until"].is_string()
    });
    assert!(coalmine.metric("coalmine_backend_ejections_total", &[("backend", "a")]) >= 1.0);
    answers(&b, 503);
    let before = b.count();
    eventually("b has failed often enough", || {
        coalmine.get("/");
        assert!(coalmine.service("web")["up"].as_u64().is_some_and(|up| up >= 1));
        b.count() - before > 20
    });
}

#[test]
fn when_all_fail_together_nobody_is_ejected_and_the_service_says_so() {
    let (stable, canary) = (Backend::start("stable"), Backend::start("canary"));
    let coalmine = Config::of(&[&stable], &[&canary]).start_admitted();
    answers(&stable, 503);
    answers(&canary, 503);
    eventually("the service is degraded", || {
        coalmine.get("/");
        coalmine.service("web")["degraded"] == "shared dependency"
    });
    assert_eq!(coalmine.metric("coalmine_service_degraded", &[("service", "web")]), 1.0);
    let before = (stable.count(), canary.count());
    for _ in 0..30 {
        coalmine.get("/");
    }
    assert!(stable.count() > before.0 && canary.count() > before.1, "both are routed to");
    answers(&stable, 200);
    answers(&canary, 200);
    eventually("it has recovered", || {
        coalmine.get("/");
        coalmine.service("web")["degraded"].is_null()
    });
    assert!(coalmine.is_admitted("web"));
    assert_eq!(coalmine.metric("coalmine_ejections_total", &[("reason", "live")]), 0.0);
}

#[test]
fn the_controller_shows_that_it_is_alive() {
    let stable = Backend::start("stable");
    let coalmine = Config::of(&[&stable], &[]).start();
    let beat = |coalmine: &Coalmine| {
        coalmine.metric("coalmine_control_heartbeat_timestamp_seconds", &[("task", "controller")])
    };
    let first = beat(&coalmine);
    assert!(first > 0.0);
    eventually("it beats on", || beat(&coalmine) > first);
}

/// What a backend answers to clients; its probes pass all the same.
fn answers(backend: &Backend, status: u16) {
    backend.on("", Script::answer(status, &backend.id));
}
