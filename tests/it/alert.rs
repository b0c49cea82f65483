//! Alerts in a real Redis.

use std::time::Duration;

use crate::support::coalmine::{Coalmine, alert};
use crate::support::config::file;
use crate::support::{Backend, Config, Redis, Service, Steady, eventually, for_a_while, load};

#[test]
fn a_set_by_redis_cli_under_load_ends_the_requests_to_the_canary() {
    let redis = Redis::start();
    let fleet = Fleet::start(&redis);
    let connections = 8;
    let steady = Steady::start(fleet.coalmine.http, connections);
    eventually("the canary has its share", || fleet.canary.count() > 100);
    redis.cli(&["SET", KEY, "error rate 12 %"]);
    fleet.coalmine.wait_ejected("web", "alert");
    let (before, begun) = (fleet.canary.count(), steady.begun());
    eventually("load goes on", || steady.begun() > begun + 300);
    steady.stop();
    let late = fleet.canary.count() - before;
    assert!(late <= connections, "{late} canary requests, more than were on their way");
    assert_eq!(fleet.coalmine.gate("web")["owners"][""]["reason"], "error rate 12 %");
}

#[test]
fn an_alert_stands_until_its_last_owner_has_cleared_it() {
    let redis = Redis::start();
    let fleet = Fleet::start(&redis);
    redis.cli(&["SET", "coalmine:alert:web:grafana", "latency"]);
    redis.cli(&["SET", "coalmine:alert:web:oncall", "1"]);
    eventually("both owners are seen", || fleet.owners() == ["grafana", "oncall"]);
    fleet.coalmine.wait_ejected("web", "alert");
    redis.cli(&["DEL", "coalmine:alert:web:grafana"]);
    eventually("one owner is left", || fleet.owners() == ["oncall"]);
    for_a_while(Duration::from_millis(300));
    assert!(!fleet.coalmine.is_admitted("web"));
    redis.cli(&["DEL", "coalmine:alert:web:oncall"]);
    fleet.coalmine.wait_admitted("web");
    assert_eq!(fleet.owners(), Vec::<String>::new());
}

#[test]
fn an_alert_that_stood_before_the_start_keeps_the_canary_out_from_the_first_request_on() {
    let redis = Redis::start();
    redis.cli(&["SET", KEY, "1"]);
    redis.cli(&["SET", "coalmine:alert:web:oncall", "1"]);
    let (stable, canary) = (Backend::start("stable"), Backend::start("canary"));
    let coalmine = Coalmine::start(&redis.watched_by(quick(&stable, &canary)));
    assert_eq!(load(coalmine.http, 60, 2).by("stable"), 60);
    coalmine.wait_ejected("web", "alert");
    eventually("both owners are seen", || owners(&coalmine) == ["", "oncall"]);
    assert_eq!(canary.count(), 0);
}

#[test]
fn some_words_mean_no_alert() {
    let redis = Redis::start();
    let fleet = Fleet::start(&redis);
    for word in ["", "0", "false", "no", "off", "clear"] {
        redis.cli(&["SET", KEY, "yes"]);
        fleet.coalmine.wait_ejected("web", "alert");
        redis.cli(&["SET", KEY, word]);
        fleet.coalmine.wait_admitted("web");
    }
}

#[test]
fn the_reason_is_the_text_or_what_a_json_object_says() {
    let redis = Redis::start();
    let fleet = Fleet::start(&redis);
    redis.cli(&["SET", KEY, "disk full"]);
    eventually("the text is shown", || fleet.coalmine.gate("web")["owners"][""]["reason"] == "disk full");
    redis.cli(&["SET", KEY, r#"{"reason": "p99 over 2 s", "by": "grafana"}"#]);
    eventually("the object is shown", || {
        let alert = &fleet.coalmine.gate("web")["owners"][""];
        alert["reason"] == "p99 over 2 s" && alert["by"] == "grafana"
    });
    redis.cli(&["SET", KEY, "{not json"]);
    eventually("anything else is text", || fleet.coalmine.gate("web")["owners"][""]["reason"] == "{not json");
}

#[test]
fn every_way_in_which_a_key_goes_is_noticed() {
    let redis = Redis::start();
    let fleet = Fleet::start(&redis);
    for key in [KEY, "coalmine:alert:web:oncall"] {
        for ways in
            [&["DEL", key][..], &["FLUSHALL"], &["RENAME", key, "elsewhere"], &["UNLINK", key], &["PEXPIRE", key, "50"]]
        {
            redis.cli(&["SET", key, "1"]);
            fleet.coalmine.wait_ejected("web", "alert");
            redis.cli(ways);
            fleet.coalmine.wait_admitted("web");
        }
    }
    redis.cli(&["SET", "elsewhere", "1"]);
    redis.cli(&["RENAME", "elsewhere", KEY]);
    fleet.coalmine.wait_ejected("web", "alert");
}

#[test]
fn an_alert_with_a_time_to_live_ends_by_itself() {
    let redis = Redis::start();
    let fleet = Fleet::start(&redis);
    redis.cli(&["SET", KEY, "1", "PX", "500"]);
    fleet.coalmine.wait_ejected("web", "alert");
    fleet.coalmine.wait_admitted("web");
}

#[test]
fn only_the_keys_of_a_service_count_for_it() {
    let redis = Redis::start();
    let (stable, canary) = (Backend::start("stable"), Backend::start("canary"));
    let other = Service::of("shop", &[&stable], &[&canary]).quick_probes().key("path_prefix = \"/shop\"");
    let coalmine = redis.watched_by(quick(&stable, &canary).service(other)).start_admitted();
    coalmine.wait_admitted("shop");
    redis.cli(&["SET", "coalmine:alert:website", "1"]);
    redis.cli(&["SET", "alert:web", "1"]);
    redis.cli(&["SET", "coalmine:alert:shop", "1"]);
    coalmine.wait_ejected("shop", "alert");
    assert!(coalmine.is_admitted("web"));
}

#[test]
fn key_prefix_and_database_are_configurable() {
    let redis = Redis::start();
    let (stable, canary) = (Backend::start("stable"), Backend::start("canary"));
    let service = Service::of("web", &[&stable], &[&canary]).quick_probes().table("alert", "key = \"stop\"");
    let config = Config::new().service(service).redis("prefix = \"my:\"");
    let coalmine = config.redis(&format!("url = \"redis://{}/3\"", redis.address)).start_admitted();
    redis.cli(&["-n", "3", "SET", "my:stop", "1"]);
    coalmine.wait_ejected("web", "alert");
}

#[test]
fn old_names_outside_the_prefix_are_watched_beside_the_key() {
    let redis = Redis::start();
    let (stable, canary) = (Backend::start("stable"), Backend::start("canary"));
    let compat = "compat = [\"list:alertValThreshold\", \"string:alert\"]";
    let service = Service::of("web", &[&stable], &[&canary]).quick_probes().table("alert", compat);
    let coalmine = redis.watched_by(Config::new().service(service)).start_admitted();
    for (raise, clear) in [
        (&["LPUSH", "alertValThreshold", "yes"][..], &["LSET", "alertValThreshold", "0", "no"][..]),
        (&["LSET", "alertValThreshold", "0", "yes"], &["DEL", "alertValThreshold"]),
        (&["SET", "alert", "1"], &["SET", "alert", "0"]),
        (&["SET", "alert", "1"], &["DEL", "alert"]),
    ] {
        redis.cli(raise);
        coalmine.wait_ejected("web", "alert");
        redis.cli(clear);
        coalmine.wait_admitted("web");
    }
}

#[test]
fn redis_can_be_killed_and_restarted_under_load_and_an_alert_raised_meanwhile_is_seen() {
    let mut redis = Redis::start();
    let fleet = Fleet::start(&redis);
    let steady = Steady::start(fleet.coalmine.http, 4);
    assert_eq!(fleet.coalmine.metric("coalmine_bus_connected", &[]), 1.0);
    redis.kill();
    eventually("the loss is shown", || fleet.coalmine.metric("coalmine_bus_connected", &[]) == 0.0);
    let before = fleet.canary.count();
    eventually("traffic goes on as before", || fleet.canary.count() > before + 50);
    redis.write_while_down(KEY, "meanwhile");
    redis.restart();
    fleet.coalmine.wait_ejected("web", "alert");
    eventually("the return is shown", || fleet.coalmine.metric("coalmine_bus_connected", &[]) == 1.0);
    let tally = steady.stop();
    assert!(tally.total() > 100, "{tally:?}");
    redis.cli(&["DEL", KEY]);
    fleet.coalmine.wait_admitted("web");
}

#[test]
fn the_last_state_is_held_while_redis_is_away() {
    let mut redis = Redis::start();
    let fleet = Fleet::start(&redis);
    redis.cli(&["SET", KEY, "1"]);
    fleet.coalmine.wait_ejected("web", "alert");
    redis.kill();
    eventually("the loss is shown", || fleet.coalmine.metric("coalmine_bus_connected", &[]) == 0.0);
    let age = fleet.coalmine.metric("coalmine_bus_age_seconds", &[]);
    for_a_while(Duration::from_millis(700));
    assert!(!fleet.coalmine.is_admitted("web"));
    assert!(fleet.coalmine.is_ready(), "a balancer serves without its alert store");
    assert!(fleet.coalmine.metric("coalmine_bus_age_seconds", &[]) >= age + 0.5);
    redis.restart();
    fleet.coalmine.wait_admitted("web");
}

#[test]
fn a_redis_that_is_away_at_the_start_keeps_the_canary_out_and_nothing_else() {
    let mut redis = Redis::stopped();
    let (stable, canary) = (Backend::start("stable"), Backend::start("canary"));
    let coalmine = redis.watched_by(quick(&stable, &canary)).start();
    assert_eq!(load(coalmine.http, 30, 2).by("stable"), 30);
    assert_eq!(coalmine.reasons("web"), ["alert_unread"]);
    redis.restart();
    coalmine.wait_admitted("web");
}

#[test]
fn a_frozen_redis_is_noticed_and_changes_nothing() {
    let redis = Redis::start();
    let fleet = Fleet::start(&redis);
    redis.freeze();
    eventually("the loss is shown", || fleet.coalmine.metric("coalmine_bus_connected", &[]) == 0.0);
    assert_eq!(load(fleet.coalmine.http, 30, 2).by("canary"), 10);
    redis.thaw();
    eventually("the return is shown", || fleet.coalmine.metric("coalmine_bus_connected", &[]) == 1.0);
    redis.cli(&["SET", KEY, "1"]);
    fleet.coalmine.wait_ejected("web", "alert");
}

#[test]
fn a_killed_connection_loses_no_alert() {
    let redis = Redis::start();
    let fleet = Fleet::start(&redis);
    for _ in 0..3 {
        redis.cli(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
        redis.cli(&["SET", KEY, "1"]);
        fleet.coalmine.wait_ejected("web", "alert");
        redis.cli(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
        redis.cli(&["DEL", KEY]);
        fleet.coalmine.wait_admitted("web");
    }
}

#[test]
fn an_alert_by_the_api_is_written_for_every_balancer() {
    let redis = Redis::start();
    let (one, two) = (Fleet::start(&redis), Fleet::start(&redis));
    let body = r#"{"reason":"by hand","by":"ops"}"#;
    assert_eq!(one.coalmine.ask_with("PUT", &alert("web"), &[], body).status(), 200);
    one.coalmine.wait_ejected("web", "alert");
    two.coalmine.wait_ejected("web", "alert");
    assert_eq!(two.coalmine.gate("web")["owners"]["api"]["reason"], "by hand");
    assert!(redis.cli(&["GET", "coalmine:alert:web:api"]).contains("by hand"));
    two.coalmine.clear("web");
    one.coalmine.wait_admitted("web");
    assert_eq!(redis.cli(&["EXISTS", "coalmine:alert:web:api"]), "0");
}

#[test]
fn clearing_by_the_api_leaves_other_owners_and_names_them() {
    let redis = Redis::start();
    let fleet = Fleet::start(&redis);
    redis.cli(&["SET", KEY, "1"]);
    redis.cli(&["SET", "coalmine:alert:web:grafana", "latency"]);
    fleet.coalmine.raise("web");
    eventually("all three are seen", || fleet.owners() == ["", "api", "grafana"]);
    let left = fleet.coalmine.ask("DELETE", &alert("web")).json();
    assert_eq!(left["service"], "web");
    assert_eq!(left["owners"]["grafana"]["reason"], "latency");
    assert_eq!(left["owners"].as_object().unwrap().len(), 1, "{left}");
    eventually("one owner is left", || fleet.owners() == ["grafana"]);
    assert_eq!(redis.cli(&["EXISTS", KEY, "coalmine:alert:web:api"]), "0");
    assert!(!fleet.coalmine.is_admitted("web"));
}

#[test]
fn an_alert_by_the_api_holds_here_at_once_and_is_written_when_redis_is_back() {
    let mut redis = Redis::start();
    let fleet = Fleet::start(&redis);
    redis.kill();
    eventually("the loss is shown", || fleet.coalmine.metric("coalmine_bus_connected", &[]) == 0.0);
    fleet.coalmine.raise("web");
    fleet.coalmine.wait_ejected("web", "alert");
    redis.restart();
    eventually("it is written", || redis.cli(&["EXISTS", "coalmine:alert:web:api"]) == "1");
    assert!(!fleet.coalmine.is_admitted("web"));
    // So that the key outlives the server.
    redis.cli(&["SAVE"]);
    redis.kill();
    eventually("the loss is shown", || fleet.coalmine.metric("coalmine_bus_connected", &[]) == 0.0);
    fleet.coalmine.clear("web");
    fleet.coalmine.wait_admitted("web");
    redis.restart();
    eventually("it is taken away", || redis.cli(&["EXISTS", "coalmine:alert:web:api"]) == "0");
    fleet.coalmine.wait_admitted("web");
}

#[test]
fn a_password_is_read_from_its_file() {
    let redis = Redis::start_with_password("open sesame");
    let (stable, canary) = (Backend::start("stable"), Backend::start("canary"));
    let (_directory, file) = file("password", "open sesame\n");
    let config = redis.watched_by(quick(&stable, &canary)).redis(&format!("password_file = \"{}\"", file.display()));
    let coalmine = config.start_admitted();
    redis.cli(&["SET", KEY, "1"]);
    coalmine.wait_ejected("web", "alert");
    assert!(!coalmine.process.stderr.text().contains("sesame"));
}

/// The key of the service `web` by default.
const KEY: &str = "coalmine:alert:web";

/// A balancer that watches Redis, before a stable and a canary backend.
struct Fleet {
    coalmine: Coalmine,
    canary: Backend,
    _stable: Backend,
}

impl Fleet {
    #[track_caller]
    fn start(redis: &Redis) -> Self {
        let (stable, canary) = (Backend::start("stable"), Backend::start("canary"));
        let coalmine = redis.watched_by(quick(&stable, &canary)).start_admitted();
        Self { coalmine, canary, _stable: stable }
    }

    fn owners(&self) -> Vec<String> {
        owners(&self.coalmine)
    }
}

fn owners(coalmine: &Coalmine) -> Vec<String> {
    coalmine.gate("web")["owners"].as_object().unwrap().keys().cloned().collect()
}

fn quick(stable: &Backend, canary: &Backend) -> Config {
    Config::new().service(Service::of("web", &[stable], &[canary]).quick_probes())
}
