//! The operators' door.

use crate::support::client::{get, request};
use crate::support::coalmine::{Coalmine, alert, refused};
use crate::support::config::file;
use crate::support::{Backend, Config, Connection, Latch, Script, Service, eventually, load};

#[test]
fn health_and_readiness_are_told_apart() {
    let (_backends, coalmine) = web();
    assert_eq!(coalmine.ask("GET", "/healthz").status(), 200);
    assert_eq!(coalmine.ask("GET", "/readyz").status(), 200);
    assert_eq!(coalmine.ask("GET", "/nothing").status(), 404);
}

#[test]
fn readiness_waits_for_the_first_round_of_probes_and_health_does_not() {
    let backend = Backend::start("a");
    let latch = Latch::shut();
    backend.on_probe(Script::new().hold(&latch).send("HTTP/1.1 204 No Content\r\n\r\n"));
    let service = Service::of("web", &[&backend], &[]).probe("timeout = \"30s\"");
    let coalmine = Coalmine::start(&Config::new().service(service));
    assert_eq!(coalmine.ask("GET", "/healthz").status(), 200);
    assert_eq!(coalmine.ask("GET", "/readyz").status(), 503);
    latch.open();
    coalmine.wait_ready();
}

#[test]
fn the_services_are_shown_with_tracks_backends_and_gate() {
    let (backends, coalmine) = web();
    let [stable, canary] = &backends;
    let all = coalmine.ask("GET", "/api/v1/services");
    assert!(all.head.get("content-type").is_some_and(|kind| kind.starts_with("application/json")));
    let service = coalmine.service("web");
    assert_eq!(service["tracks"]["stable"]["weight"], 2);
    assert_eq!(service["tracks"]["canary"]["weight"], 1);
    for (track, backend) in [("stable", stable), ("canary", canary)] {
        coalmine.wait_backend("web", track, &backend.id, "up");
        let shown = coalmine.backend("web", track, &backend.id);
        assert_eq!(shown["address"], backend.address.to_string());
        assert_eq!(shown["weight"], 1);
        assert!(shown["reason"].is_null());
        assert!(is_time(&shown["since"]), "{shown}");
    }
    let gate = coalmine.gate("web");
    assert_eq!((gate["state"].as_str(), gate["reasons"].as_array().map(Vec::len)), (Some("admitted"), Some(0)));
    assert!(is_time(&gate["since"]), "{gate}");
    assert_eq!(gate["owners"].as_object().map(serde_json::Map::len), Some(0));
}

#[test]
fn an_alert_is_raised_and_cleared_without_any_store() {
    let (_backends, coalmine) = web();
    let raised = coalmine.ask_with("PUT", &alert("web"), &[], r#"{"reason":"looks odd","by":"ops"}"#);
    assert_eq!(raised.status(), 200);
    let raised = raised.json();
    assert_eq!(raised["service"], "web");
    assert_eq!(
        (&raised["owners"]["api"]["reason"], &raised["owners"]["api"]["by"]),
        (&"looks odd".into(), &"ops".into())
    );
    coalmine.wait_ejected("web", "alert");
    assert_eq!(coalmine.gate("web")["owners"]["api"]["reason"], "looks odd");
    assert_eq!(load(coalmine.http, 30, 2).by("stable"), 30);
    let cleared = coalmine.ask("DELETE", &alert("web"));
    assert_eq!((cleared.status(), cleared.json()["owners"].as_object().map(serde_json::Map::len)), (200, Some(0)));
    coalmine.wait_admitted("web");
    assert_eq!(coalmine.ask("DELETE", &alert("web")).status(), 200, "clearing twice is no mistake");
}

#[test]
fn an_alert_needs_no_reason() {
    let (_backends, coalmine) = web();
    coalmine.raise("web");
    coalmine.wait_ejected("web", "alert");
}

#[test]
fn mistakes_are_answered_and_change_nothing() {
    let (_backends, coalmine) = web();
    assert_eq!(coalmine.ask("PUT", &alert("nobody")).status(), 404);
    assert_eq!(coalmine.ask("DELETE", &alert("nobody")).status(), 404);
    for body in ["{", "[1]", r#"{"reason": 7}"#] {
        let status = coalmine.ask_with("PUT", &alert("web"), &[], body).status();
        assert!((400..500).contains(&status), "{body}: {status}");
    }
    assert_eq!(coalmine.ask("POST", &alert("web")).status(), 405);
    assert!(coalmine.is_admitted("web"));
}

#[test]
fn a_body_that_is_too_large_is_refused() {
    let (_backends, coalmine) = web();
    let body = format!("{{\"reason\": \"{}\"}}", "x".repeat(16 * 1024));
    assert_eq!(coalmine.ask_with("PUT", &alert("web"), &[], &body).status(), 413);
    assert!(coalmine.is_admitted("web"));
}

#[test]
fn with_a_token_every_change_needs_it_and_no_question_does() {
    let (_directory, file) = file("token", "hunter2hunter2hunter2\n");
    let (stable, canary) = (Backend::start("stable"), Backend::start("canary"));
    let config = Config::of(&[&stable], &[&canary]).admin(&format!("token_file = \"{}\"", file.display()));
    let coalmine = config.start_admitted();
    for method in ["PUT", "DELETE"] {
        for fields in [&[][..], &["Authorization: Bearer wrong"], &["Authorization: Basic aHVudGVyMg=="]] {
            assert_eq!(coalmine.ask_with(method, &alert("web"), fields, "").status(), 401, "{method} {fields:?}");
        }
    }
    assert!(coalmine.is_admitted("web"));
    let right = ["Authorization: Bearer hunter2hunter2hunter2"];
    assert_eq!(coalmine.ask_with("PUT", &alert("web"), &right, "").status(), 200);
    coalmine.wait_ejected("web", "alert");
    assert_eq!(coalmine.ask_with("DELETE", &alert("web"), &right, "").status(), 200);
    assert!(!coalmine.process.stderr.text().contains("hunter2"));
}

#[test]
fn any_other_address_than_loopback_needs_a_token() {
    let backend = Backend::start("a");
    let exit = refused(&Config::of(&[&backend], &[]).admin("listen = \"0.0.0.0:0\""));
    assert_eq!(exit.code, Some(2));
    assert!(exit.stderr.contains("admin.listen") || exit.stderr.contains("token_file"), "{}", exit.stderr);
}

#[test]
fn the_metrics_listener_serves_metrics_and_health_only() {
    let (stable, canary) = (Backend::start("stable"), Backend::start("canary"));
    let coalmine = Config::of(&[&stable], &[&canary]).admin("metrics_listen = \"127.0.0.1:0\"").start();
    let metrics = coalmine.listeners("metrics")[0];
    for path in ["/metrics", "/healthz", "/readyz"] {
        assert_eq!(get(metrics, path).status(), 200, "{path}");
    }
    assert_eq!(get(metrics, "/api/v1/services").status(), 404);
    let put = Connection::open(metrics).request("PUT", &alert("web"), &["Content-Length: 0"]);
    assert_eq!(put.status(), 404);
}

#[test]
fn requests_are_counted_by_service_track_backend_and_class() {
    let (backends, coalmine) = web();
    let [stable, canary] = &backends;
    for backend in [stable, canary] {
        backend.on("/missing", Script::answer(404, "?"));
        // A 5xx that is no failure, and so goes to the client from either.
        backend.on("/broken", Script::answer(501, "!"));
    }
    load(coalmine.http, 30, 2);
    let mut connection = coalmine.connect();
    for path in ["/missing", "/broken"] {
        for _ in 0..3 {
            connection.get(path);
        }
    }
    for (track, by) in [("stable", 2.0), ("canary", 1.0)] {
        for (class, count) in [("2xx", 10.0), ("4xx", 1.0), ("5xx", 1.0)] {
            let labels = [("service", "web"), ("track", track), ("backend", track), ("class", class)];
            assert_eq!(coalmine.metric("coalmine_requests_total", &labels), count * by, "{labels:?}");
        }
        let labels = [("service", "web"), ("track", track)];
        assert_eq!(coalmine.metric("coalmine_request_duration_seconds_count", &labels), 12.0 * by);
    }
    assert_eq!(coalmine.metric("coalmine_client_connections", &[]), 1.0);
    drop(connection);
    eventually("the client is gone", || coalmine.metric("coalmine_client_connections", &[]) == 0.0);
}

#[test]
fn a_request_is_in_flight_until_its_body_ends() {
    let backend = Backend::start("a");
    let latch = Latch::shut();
    backend.on("/slow", Script::new().send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nsl").hold(&latch).send("ow"));
    let coalmine = Config::of(&[&backend], &[]).start();
    let mut connection = coalmine.connect();
    connection.send(request("GET", "/slow", &[]));
    eventually("the request is in flight", || {
        coalmine.metric("coalmine_requests_in_flight", &[("backend", "a")]) == 1.0
    });
    assert_eq!(coalmine.metric("coalmine_backend_connections", &[("backend", "a")]), 1.0);
    latch.open();
    assert_eq!(connection.receive().text(), "slow");
    eventually("nothing is in flight", || coalmine.metric("coalmine_requests_in_flight", &[]) == 0.0);
}

#[test]
fn every_family_that_is_promised_is_there() {
    let (_backends, coalmine) = web();
    load(coalmine.http, 3, 1);
    coalmine.raise("web");
    coalmine.wait_ejected("web", "alert");
    let text = coalmine.ask("GET", "/metrics").text();
    for family in [
        "coalmine_build_info gauge",
        "coalmine_requests_total counter",
        "coalmine_request_duration_seconds histogram",
        "coalmine_requests_in_flight gauge",
        "coalmine_backend_connections gauge",
        "coalmine_backend_failures_total counter",
        "coalmine_client_connections gauge",
        "coalmine_resends_total counter",
        "coalmine_accept_errors_total counter",
        "coalmine_probes_total counter",
        "coalmine_backend_up gauge",
        "coalmine_gate_admitted gauge",
        "coalmine_gate_reason gauge",
        "coalmine_ejections_total counter",
        "coalmine_eject_seconds histogram",
        "coalmine_canary_share gauge",
        "coalmine_service_degraded gauge",
        "coalmine_backend_ejected gauge",
        "coalmine_backend_ejections_total counter",
        "coalmine_control_heartbeat_timestamp_seconds gauge",
        "coalmine_bus_connected gauge",
        "coalmine_bus_age_seconds gauge",
        "process_cpu_seconds_total counter",
    ] {
        assert!(text.contains(&format!("# TYPE {family}\n")), "{family} not in {text}");
    }
}

/// A stable and a canary backend, admitted.
fn web() -> ([Backend; 2], Coalmine) {
    let backends = [Backend::start("stable"), Backend::start("canary")];
    let [stable, canary] = &backends;
    let coalmine = Config::of(&[stable], &[canary]).start_admitted();
    (backends, coalmine)
}

fn is_time(value: &serde_json::Value) -> bool {
    value.as_str().is_some_and(|text| humantime::parse_rfc3339(text).is_ok())
}
