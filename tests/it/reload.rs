//! The configuration is read again while the program runs.

use std::collections::BTreeMap;

use crate::support::client::request;
use crate::support::coalmine::Coalmine;
use crate::support::{Backend, Config, Connection, Latch, Script, Service, Steady, eventually};

#[test]
fn a_bad_file_changes_nothing_and_says_why() {
    let backend = Backend::start("a");
    let coalmine = Config::of(&[&backend], &[]).start();
    let mut open = coalmine.connect();
    assert_eq!(open.get("/").text(), "a");
    coalmine.rewrite("nonsense = true");
    let refused = coalmine.ask("POST", "/api/v1/reload");
    assert!(refused.status() == 422 && refused.text().contains("nonsense"), "{refused:?}");
    assert!(coalmine.metric("coalmine_reloads_total", &[("result", "refused")]) > 0.0);
    coalmine.process.signal("HUP");
    let log = coalmine.process.stderr.clone();
    eventually("the log says why", || log.text().matches("the configuration is refused").count() == 2);
    assert_eq!(open.get("/").head.get("connection"), None, "serving as before");
}

#[test]
fn a_good_file_is_loaded_and_what_takes_a_restart_is_named() {
    let backend = Backend::start("a");
    let config = Config::of(&[&backend], &[]);
    let coalmine = config.clone().start();
    let loaded = || coalmine.metric("coalmine_config_loaded_timestamp_seconds", &[]);
    let before = loaded();
    assert!(before > 0.0);
    coalmine.rewrite(&config.listen("drain = \"7s\"").text());
    let answer = coalmine.ask("POST", "/api/v1/reload");
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert_eq!(answer.json()["needs_restart"], serde_json::json!(["listen.drain"]));
    assert!(loaded() > before);
    coalmine.process.signal("HUP");
    eventually("it is loaded once more", || coalmine.metric("coalmine_reloads_total", &[("result", "applied")]) >= 2.0);
}

#[test]
fn no_request_fails_while_the_file_changes_and_changes() {
    let (a, b, c) = (Backend::start("a"), Backend::start("b"), Backend::start("c"));
    let canary = Backend::start("canary");
    let service = |name: &str, stable: u16, backends: &[&Backend]| {
        let host = if name == "web" { "hosts = []" } else { "hosts = [\"shop.test\"]" };
        let service = Service::new(name).key(host).named("stable", stable, backends).named("canary", 1, &[&canary]);
        service.probe("timeout = \"5s\"")
    };
    let one = Config::new().service(service("web", 2, &[&a, &b]));
    let two = Config::new().service(service("shop", 1, &[&a])).service(service("web", 5, &[&b, &c]));
    let three = Config::new().service(service("web", 2, &[&c, &a, &b]).key("served_by_header = true"));
    let coalmine = one.clone().start_admitted();
    let steady = Steady::start(coalmine.http, 4);
    for file in [&two, &three, &one, &two, &one, &three, &two, &three, &one] {
        let begun = steady.begun();
        put_in_force(&coalmine, file);
        eventually("requests go on", || steady.begun() > begun + 20);
    }
    let tally = steady.stop();
    assert!(["a", "b", "c", "canary"].iter().all(|backend| tally.by(backend) > 0), "{tally:?}");
    assert!(coalmine.is_admitted("web"), "it never left");
    assert_eq!(coalmine.ask("GET", "/api/v1/services/shop").status(), 404);
}

#[test]
fn what_changed_is_named_and_an_ejected_canary_stays_out() {
    let (stable, canary) = (Backend::start("stable"), Backend::start("canary"));
    let service = |weight| Service::of("web", &[&stable], &[]).named("canary", weight, &[&canary]).quick_probes();
    let config = |weight| Config::new().service(service(weight));
    let coalmine = config(1).start_admitted();
    canary.set_healthy(false);
    coalmine.wait_ejected("web", "probe");
    let before = canary.count();
    let steady = Steady::start(coalmine.http, 2);
    let begun = steady.begun();
    for weight in [2, 3, 4] {
        assert_eq!(put_in_force(&coalmine, &config(weight)), ["service web: canary.weight"]);
    }
    eventually("requests go on", || steady.begun() > begun + 50);
    steady.stop();
    assert_eq!((canary.count(), coalmine.is_admitted("web")), (before, false));
    assert_eq!(coalmine.service("web")["tracks"]["canary"]["weight"], 4);
    assert_eq!(put_in_force(&coalmine, &config(4)), Vec::<String>::new());
}

#[test]
fn an_alert_of_a_service_that_was_added_is_heard() {
    let (stable, canary) = (Backend::start("stable"), Backend::start("canary"));
    let coalmine = Config::of(&[&stable], &[&canary]).start_admitted();
    let shop = Service::of("shop", &[&stable], &[&canary]).key("hosts = [\"shop.test\"]");
    let both = Config::of(&[&stable], &[&canary]).service(shop);
    assert_eq!(put_in_force(&coalmine, &both), ["service shop: added"]);
    coalmine.wait_admitted("shop");
    coalmine.raise("shop");
    coalmine.wait_ejected("shop", "alert");
    let shown = || coalmine.metric("coalmine_gate_reason", &[("service", "shop"), ("reason", "alert")]);
    assert_eq!(shown(), 1.0);
    put_in_force(&coalmine, &Config::of(&[&stable], &[&canary]));
    assert!(!coalmine.ask("GET", "/metrics").text().contains("service=\"shop\""), "it is forgotten");
    assert!(coalmine.is_admitted("web"));
}

#[test]
fn every_three_requests_are_split_two_to_one_across_reloads() {
    let (a, b, canary) = (Backend::start("a"), Backend::start("b"), Backend::start("canary"));
    let config = |stable: &[&Backend]| Config::of(stable, &[&canary]);
    let coalmine = config(&[&a]).start_admitted();
    let mut client = coalmine.connect();
    let mut served = Vec::new();
    for stable in [&[&a, &b][..], &[&b], &[&b, &a], &[&a]] {
        served.extend((0..4).map(|_| client.get("/").text()));
        put_in_force(&coalmine, &config(stable));
    }
    served.extend((0..4).map(|_| client.get("/").text()));
    for window in served.windows(3) {
        assert_eq!(window.iter().filter(|id| *id == "canary").count(), 1, "{served:?}");
    }
}

#[test]
fn a_running_request_at_a_removed_backend_ends_and_others_keep_their_connections() {
    let (gone, stays) = (Backend::start("gone"), Backend::start("stays"));
    let latch = Latch::shut();
    gone.on("/slow", Script::new().hold(&latch).send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow"));
    let coalmine = Config::of(&[&gone, &stays], &[]).listen("workers = 1").start();
    let mut running: Vec<Connection> = (0..2).map(|_| coalmine.connect()).collect();
    running.iter_mut().for_each(|client| client.send(request("GET", "/slow", &[])));
    eventually("one request runs there", || gone.count() == 1);
    let mut client = coalmine.connect();
    eventually("a connection is idle", || client.get("/").text() == "stays");
    let on = |backend: &Backend| -> BTreeMap<usize, usize> {
        let mut by_connection = BTreeMap::new();
        backend.requests().iter().for_each(|request| *by_connection.entry(request.connection).or_default() += 1);
        by_connection
    };
    let before = on(&stays);
    let config = Config::of(&[&stays], &[]).listen("workers = 1");
    put_in_force(&coalmine, &config);
    let other = Config::new().service(Service::of("web", &[&stays], &[]).table("timeout", "response = \"31s\""));
    for file in [other.listen("workers = 1"), config] {
        assert_eq!(client.get("/").text(), "stays");
        put_in_force(&coalmine, &file);
    }
    let after = on(&stays);
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>(), "no connection was made");
    assert_eq!(gone.counts()["GET /slow"], 1);
    latch.open();
    let mut texts: Vec<_> = running.iter_mut().map(|client| client.receive().text()).collect();
    texts.sort();
    assert_eq!(texts, ["slow", "stays"]);
}

#[test]
fn an_idle_connection_to_a_removed_backend_is_closed() {
    let (gone, stays) = (Backend::start("gone"), Backend::start("stays"));
    gone.on("/", Script::new().send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngone").await_end());
    let coalmine = Config::of(&[&gone], &[]).start();
    assert_eq!(coalmine.get("/").text(), "gone");
    put_in_force(&coalmine, &Config::of(&[&stays], &[]));
    assert_eq!(coalmine.get("/").text(), "stays");
    eventually("it is closed", || gone.ended() == 1);
}

/// Writes the file and has it read; gives what changed.
#[track_caller]
fn put_in_force(coalmine: &Coalmine, config: &Config) -> Vec<String> {
    coalmine.rewrite(&config.text());
    let answer = coalmine.ask("POST", "/api/v1/reload");
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let json = answer.json();
    assert_eq!(json["needs_restart"], serde_json::json!([]));
    json["changed"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}
