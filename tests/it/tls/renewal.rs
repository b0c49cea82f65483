//! Certificates change while the balancer serves.

use std::fs;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;

use rustls::HandshakeKind;
use tokio_util::sync::CancellationToken;

use super::client::Answer;
use super::{Client, Stage, configured};
use crate::support::certificates::Certificate;
use crate::support::client::request;
use crate::support::{Config, Latch, Lineage, Script, eventually};

const EXPIRY: &str = "coalmine_tls_certificate_expiry_timestamp_seconds";

#[test]
fn a_reload_shows_other_certificates_and_disturbs_nobody() {
    let stage = Stage::start(&[&["a.test"]]);
    let latch = Latch::shut();
    stage.backend.on("/slow", Script::new().hold(&latch).send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow"));
    let known = stage.client();
    let (mut open, mut running) = (known.connect("a.test"), known.connect("a.test"));
    assert_eq!(open.get("/").text, "a");
    let before = open.leaf();
    running.send(request("GET", "/slow", &[]));
    eventually("it runs", || stage.backend.count() == 2);

    let both = [stage.authority.server(&["a.test"]), stage.authority.server(&["b.test"])];
    let config = config(&stage, &both);
    assert_eq!(put_in_force(&stage, &config), serde_json::json!(["tls.certificate"]));
    assert_eq!(put_in_force(&stage, &config), serde_json::json!([]));
    assert_ne!(stage.client().connect("a.test").leaf(), before);
    assert_eq!(stage.client().connect("b.test").get("/").text, "a");
    assert_eq!(known.connect("a.test").session().handshake_kind(), Some(HandshakeKind::Resumed), "tickets stay good");
    latch.open();
    assert_eq!((running.receive().text.as_str(), open.get("/").text.as_str()), ("slow", "a"));
}

#[test]
fn no_request_fails_while_certificates_change_and_change() {
    let stage = Stage::start(&[&["a.test"]]);
    let files = [(); 3].map(|()| config(&stage, &[stage.authority.server(&["a.test"])]));
    while_served(&stage, |more| {
        for file in files.iter().cycle().take(9) {
            assert_eq!(put_in_force(&stage, file), serde_json::json!(["tls.certificate"]));
            more();
        }
    });
    assert_eq!(stage.handshakes("failed"), 0.0);
}

#[test]
fn no_request_fails_while_a_successor_takes_over() {
    let mut stage = Stage::start(&[&["a.test"]]);
    let lineage = Lineage::of(&stage.coalmine);
    while_served(&stage, |more| {
        for _ in 0..2 {
            lineage.upgrade();
            more();
        }
    });
    lineage.wait_old_ended();
    assert_eq!(stage.coalmine.process.wait_code(), Some(0));
    assert_eq!(stage.client().connect("a.test").get("/").text, "a");
}

#[test]
fn metrics_tell_when_each_certificate_expires() {
    let stage = Stage::start(&[&["a.test", "more.test"], &["*.b.test"]]);
    let told = |name: &str| stage.coalmine.metric(EXPIRY, &[("certificate", name)]);
    assert!(told("a.test") > 1.7e9 && told("*.b.test") > 1.7e9 && told("more.test") == 0.0);
    put_in_force(&stage, &config(&stage, &stage.sites[1..]));
    assert!(told("a.test") == 0.0 && told("*.b.test") > 1.7e9);
}

#[test]
fn files_that_change_are_shown_by_themselves() {
    let stage = Stage::start(&[&["a.test"]]);
    let mut open = stage.client().connect("a.test");
    let new = stage.authority.server(&["a.test"]);
    write(&stage.sites[0], &new);
    eventually("it is shown", || stage.client().connect("a.test").leaf() != open.leaf());
    assert_eq!(open.get("/").text, "a");
}

#[test]
fn half_a_pair_is_not_shown_and_is_told_of_once() {
    let stage = Stage::start(&[&["a.test"]]);
    let before = stage.client().connect("a.test").leaf();
    let new = stage.authority.server(&["a.test"]);
    fs::copy(&new.cert, &stage.sites[0].cert).unwrap();
    let log = stage.coalmine.process.stderr.clone();
    let refusals = || log.text().matches("changed certificates are refused").count();
    eventually("it is told", || refusals() == 1);
    assert_eq!(stage.client().connect("a.test").leaf(), before);
    fs::copy(&new.key, &stage.sites[0].key).unwrap();
    eventually("it is shown", || stage.client().connect("a.test").leaf() != before);
    assert_eq!(refusals(), 1);
}

#[test]
fn a_bad_pair_at_a_reload_changes_nothing() {
    let stage = Stage::start(&[&["a.test"]]);
    let before = stage.client().connect("a.test").leaf();
    let [one, other] = [(); 2].map(|()| stage.authority.server(&["a.test"]));
    let mixed = Certificate { cert: one.cert, key: other.key };
    stage.coalmine.rewrite(&config(&stage, &[mixed]).text());
    let refused = stage.coalmine.ask("POST", "/api/v1/reload");
    assert!(refused.status() == 422 && refused.text().contains("is not the key of"), "{}", refused.text());
    assert_eq!(stage.client().connect("a.test").leaf(), before);
}

#[test]
fn an_expired_certificate_keeps_no_other_site_down() {
    let stage = Stage::start(&[&["a.test"]]);
    let expired = stage.authority.expired(&["old.test"]);
    let config = configured(&stage.backend, &[expired.clone(), stage.sites[0].clone()]);
    let coalmine = config.start();
    let client = Client::of(&stage.authority, coalmine.listeners("https")[0]);
    assert_eq!(client.connect("a.test").get("/").text, "a");
    assert!(client.try_connect("old.test").is_err(), "its clients see to that");
    let log = coalmine.process.stderr.text();
    assert!(log.contains("out of date") && log.contains("old.test") && log.contains("expired on"), "{log}");
}

#[test]
fn the_last_certificates_stay_until_their_listener_goes() {
    let stage = Stage::start(&[&["a.test"]]);
    stage.coalmine.rewrite(&Config::of(&[&stage.backend], &[]).text());
    let answer = stage.coalmine.ask("POST", "/api/v1/reload");
    assert_eq!(answer.json()["needs_restart"], serde_json::json!(["listen.https"]), "{}", answer.text());
    assert_eq!(stage.client().connect("a.test").get("/").text, "a");
}

#[test]
fn files_that_an_authority_replaces_are_shown_until_the_restart_that_it_takes() {
    let stage = Stage::start(&[&["a.test"]]);
    let ordered = Config::of(&[&stage.backend], &[]).listen("https = [\"127.0.0.1:0\"]");
    stage.coalmine.rewrite(&ordered.acme("domains = [\"a.test\"]").text());
    let answer = stage.coalmine.ask("POST", "/api/v1/reload");
    assert_eq!(answer.json()["needs_restart"], serde_json::json!(["tls.acme"]), "{}", answer.text());
    assert_eq!(stage.client().connect("a.test").get("/").text, "a");
}

fn config(stage: &Stage, sites: &[Certificate]) -> Config {
    configured(&stage.backend, sites)
}

/// Clients come, afresh or by tickets, ask a few times and go, while `work` goes on; what it is given returns when more
/// have been served. None of them may fail.
fn while_served(stage: &Stage, work: impl FnOnce(&dyn Fn())) {
    let (served, end) = (AtomicUsize::new(0), CancellationToken::new());
    thread::scope(|scope| {
        let ended = end.clone().drop_guard();
        for remember in [true, false] {
            let (served, end) = (&served, &end);
            scope.spawn(move || {
                let mut client = stage.client();
                while !end.is_cancelled() {
                    if !remember {
                        client = stage.client();
                    }
                    let mut secure = client.connect("a.test");
                    let last = |answer: &Answer| answer.head.get("connection").is_some_and(|it| it == "close");
                    let answers = (0..3).map(|_| secure.get("/"));
                    let asked = answers.take_while(|answer| !last(answer)).filter(|answer| answer.text == "a").count();
                    served.fetch_add(1 + asked, Relaxed);
                }
            });
        }
        work(&|| {
            let before = served.load(Relaxed);
            eventually("more are served", || served.load(Relaxed) > before + 20);
        });
        drop(ended);
    });
}

/// Writes the files of `new` over those of `site`.
fn write(site: &Certificate, new: &Certificate) {
    fs::copy(&new.cert, &site.cert).unwrap();
    fs::copy(&new.key, &site.key).unwrap();
}

/// Writes the configuration and has it read; gives what changed.
#[track_caller]
fn put_in_force(stage: &Stage, config: &Config) -> serde_json::Value {
    stage.coalmine.rewrite(&config.text());
    let answer = stage.coalmine.ask("POST", "/api/v1/reload");
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert_eq!(answer.json()["needs_restart"], serde_json::json!([]));
    answer.json()["changed"].clone()
}
