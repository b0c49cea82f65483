//! Leave to take a backend down: one at a time, with enough others up, over all balancers.

use serde_json::{Value, json};

use crate::support::client::Response;
use crate::support::coalmine::{Coalmine, run};
use crate::support::{Backend, Config, Redis, Service, eventually, load};

#[test]
fn one_lease_is_out_at_a_time_and_drains_its_backend() {
    let (_backends, coalmine) = three("");
    let lease = granted(&coalmine, "a", "60s");
    assert_eq!((&lease["service"], &lease["backend"]), (&json!("web"), &json!("a")));
    assert_eq!((&lease["up"], &lease["needed"]), (&json!(2), &json!(2)));
    assert!(lease["until"].as_str().is_some_and(|until| humantime::parse_rfc3339(until).is_ok()), "{lease}");
    eventually("it is drained", || coalmine.backend("web", "stable", "a")["draining"] == true);
    assert_eq!(load(coalmine.http, 20, 2).by("a"), 0);
    let shown = coalmine.ask("GET", "/api/v1/services").text();
    assert!(shown.contains("\"lease\":{\"backend\":\"a\""), "{shown}");
    assert!(!shown.contains(lease["id"].as_str().unwrap()), "who only looks must not learn how to end it: {shown}");

    let second = ask(&coalmine, "b", "60s");
    assert_eq!(second.status(), 409);
    assert!(second.json()["error"].is_string(), "{}", second.text());

    assert_eq!(coalmine.ask("DELETE", &named(&lease)).status(), 200);
    eventually("it gets requests again", || coalmine.backend("web", "stable", "a")["routed"] == true);
    granted(&coalmine, "b", "60s");
}

#[test]
fn no_lease_is_granted_below_the_floor() {
    let (backends, coalmine) = three("");
    backends[2].set_healthy(false);
    coalmine.wait_backend("web", "stable", "c", "down");
    let refused = ask(&coalmine, "a", "60s");
    assert_eq!(refused.status(), 409);
    let refused = refused.json();
    assert_eq!((&refused["up"], &refused["needed"]), (&json!(1), &json!(2)));
    assert!(refused["error"].is_string() && refused["remedy"].is_string(), "{refused}");
    let lease = granted(&coalmine, "c", "60s");
    assert_eq!(lease["up"], 2, "the one that is down already may go");
}

#[test]
fn the_floor_is_configurable() {
    let (backends, coalmine) = three("min_up = 1");
    backends[2].set_healthy(false);
    coalmine.wait_backend("web", "stable", "c", "down");
    assert_eq!(granted(&coalmine, "a", "60s")["needed"], 1);
}

#[test]
fn a_backend_that_drains_by_hand_is_not_up() {
    let (_backends, coalmine) = three("");
    assert!(coalmine.ask("POST", "/api/v1/services/web/backends/b/drain?wait=1m").status() == 200);
    let refused = ask(&coalmine, "a", "60s");
    assert_eq!((refused.status(), &refused.json()["up"]), (409, &json!(1)));
}

#[test]
fn a_lease_ends_by_itself() {
    let (_backends, coalmine) = three("");
    granted(&coalmine, "a", "1s");
    eventually("another is granted", || ask(&coalmine, "b", "60s").status() == 201);
    eventually("the first is not drained any more", || coalmine.backend("web", "stable", "a")["draining"] == false);
}

#[test]
fn a_renewed_lease_lasts_longer_and_an_ended_one_is_not_renewed() {
    let (_backends, coalmine) = three("");
    let lease = granted(&coalmine, "a", "30s");
    let renewed = coalmine.ask_with("PUT", &named(&lease), &[], r#"{"ttl": "30m"}"#);
    assert_eq!(renewed.status(), 200, "{}", renewed.text());
    let renewed = renewed.json();
    assert_eq!((&renewed["id"], &renewed["backend"]), (&lease["id"], &lease["backend"]));
    assert!(renewed["until"].as_str() > lease["until"].as_str(), "{renewed} after {lease}");

    for wrong in ["0", "00000000000000000000000000000000", "%2e%2e"] {
        let target = format!("/api/v1/services/web/lease/{wrong}");
        assert_eq!(coalmine.ask("PUT", &target).status(), 404, "{wrong}");
        assert_eq!(coalmine.ask("DELETE", &target).status(), 404, "{wrong}");
    }
    assert_eq!(coalmine.ask("DELETE", &named(&lease)).status(), 200);
    assert_eq!(coalmine.ask("PUT", &named(&lease)).status(), 404);
    assert_eq!(coalmine.ask("DELETE", &named(&lease)).status(), 404);
}

#[test]
fn two_balancers_share_one_lease() {
    let redis = Redis::start();
    let backends = ["a", "b", "c"].map(Backend::start);
    let [one, two] = [(); 2].map(|()| redis.watched_by(config(&backends, "")).start());
    all_up(&one);
    all_up(&two);
    let lease = granted(&one, "a", "60s");
    assert_eq!(ask(&two, "b", "60s").status(), 409);
    for balancer in [&one, &two] {
        eventually("it is drained", || balancer.backend("web", "stable", "a")["draining"] == true);
    }
    assert_eq!(two.ask("PUT", &named(&lease)).status(), 200, "any balancer renews it");
    assert_eq!(two.ask("DELETE", &named(&lease)).status(), 200, "any balancer ends it");
    eventually("it gets requests again", || one.backend("web", "stable", "a")["draining"] == false);
    eventually("another is granted", || ask(&two, "b", "1s").status() == 201);
    eventually("it ends by itself for all", || ask(&one, "c", "60s").status() == 201);
}

#[test]
fn of_many_who_ask_at_once_one_gets_the_lease() {
    let redis = Redis::start();
    let backends = ["a", "b", "c"].map(Backend::start);
    let balancers = [(); 2].map(|()| redis.watched_by(config(&backends, "")).start());
    balancers.iter().for_each(all_up);
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..12)
            .map(|turn| {
                let balancer = &balancers[turn % 2];
                let backend = ["a", "b", "c"][turn % 3];
                scope.spawn(move || ask(balancer, backend, "10m").status())
            })
            .collect();
        asking.into_iter().map(|asked| asked.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 409).count(), 11, "{statuses:?}");
}

#[test]
fn no_lease_is_granted_while_redis_is_away() {
    let mut redis = Redis::start();
    let backends = ["a", "b", "c"].map(Backend::start);
    let coalmine = redis.watched_by(config(&backends, "")).start();
    all_up(&coalmine);
    eventually("it is connected", || coalmine.metric("coalmine_bus_connected", &[]) == 1.0);
    redis.kill();
    eventually("the loss is shown", || coalmine.metric("coalmine_bus_connected", &[]) == 0.0);
    let refused = ask(&coalmine, "a", "60s");
    assert_eq!(refused.status(), 503);
    assert!(refused.json()["remedy"].is_string(), "{}", refused.text());
    redis.restart();
    eventually("it is granted when Redis is back", || ask(&coalmine, "a", "60s").status() == 201);
}

#[test]
fn the_command_prints_the_id_that_ends_the_lease() {
    let (_backends, coalmine) = three("");
    let admin = format!("http://{}", coalmine.admin);
    let lease = run(&["lease", "web", "a", "--ttl", "5m", "--by", "ops", "--admin", &admin]);
    assert_eq!((lease.code, lease.stderr.as_str()), (Some(0), ""), "{lease:?}");
    let id = lease.stdout.strip_suffix('\n').unwrap();
    assert!(id.len() == 32 && id.bytes().all(|digit| digit.is_ascii_hexdigit()), "{lease:?}");
    let second = run(&["lease", "web", "b", "--admin", &admin]);
    assert_eq!((second.code, second.stdout.as_str()), (Some(1), ""), "{second:?}");
    assert_eq!(run(&["release", "web", id, "--admin", &admin]).code, Some(0));
    assert_eq!(run(&["release", "web", id, "--admin", &admin]).code, Some(1));
}

/// Three backends of stable, all up.
fn three(stable: &str) -> ([Backend; 3], Coalmine) {
    let backends = ["a", "b", "c"].map(Backend::start);
    let coalmine = config(&backends, stable).start();
    all_up(&coalmine);
    (backends, coalmine)
}

/// `stable`: more lines for its table.
fn config(backends: &[Backend; 3], stable: &str) -> Config {
    let named = |backend: &Backend| format!("{{ address = \"{}\", name = \"{}\" }}", backend.address, backend.id);
    let lines = format!("backends = [{}]\n{stable}", backends.each_ref().map(named).join(", "));
    Config::new().service(Service::new("web").table("stable", &lines).probe("timeout = \"5s\"").quick_probes())
}

#[track_caller]
fn all_up(coalmine: &Coalmine) {
    for id in ["a", "b", "c"] {
        coalmine.wait_backend("web", "stable", id, "up");
    }
}

#[track_caller]
fn ask(coalmine: &Coalmine, backend: &str, ttl: &str) -> Response {
    let body = json!({ "backend": backend, "ttl": ttl, "by": "test" }).to_string();
    coalmine.ask_with("POST", "/api/v1/services/web/lease", &[], &body)
}

#[track_caller]
fn granted(coalmine: &Coalmine, backend: &str, ttl: &str) -> Value {
    let answer = ask(coalmine, backend, ttl);
    assert_eq!(answer.status(), 201, "{}", answer.text());
    answer.json()
}

fn named(lease: &Value) -> String {
    format!("/api/v1/services/web/lease/{}", lease["id"].as_str().unwrap())
}
