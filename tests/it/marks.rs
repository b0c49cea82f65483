//! Two balancers on one Redis act alike.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;

use crate::support::coalmine::{Coalmine, run};
use crate::support::process::Exit;
use crate::support::{Backend, Config, Redis, Relay, Script, Service, eventually, for_a_while, load};

#[test]
fn an_alert_at_one_balancer_keeps_the_canary_out_at_both() {
    let pair = Pair::start();
    pair.one.raise("web");
    for balancer in pair.both() {
        balancer.wait_ejected("web", "alert");
        assert_eq!(load(balancer.http, 30, 2).by("canary"), 0);
    }
    pair.two.clear("web");
    pair.wait_admitted();
}

#[test]
fn a_drain_at_one_balancer_ends_the_requests_of_both() {
    let pair = Pair::start();
    let drained = command(&pair.one, &["drain", "web", "a", "--wait", "10s"]);
    assert_eq!(drained.code, Some(0), "{drained:?}");
    for balancer in pair.both() {
        eventually("it drains", || is_draining(balancer, "a"));
        let tally = load(balancer.http, 30, 2);
        assert_eq!((tally.by("a"), tally.by("b")), (0, 20));
    }
    assert_eq!(command(&pair.two, &["undrain", "web", "a"]).code, Some(0));
    for balancer in pair.both() {
        eventually("it is routed to", || balancer.backend("web", "stable", "a")["routed"] == true);
    }
}

#[test]
fn other_weights_split_the_requests_of_both_outlive_a_restart_and_end_at_either() {
    let mut pair = Pair::start();
    let set = pair.one.ask_with("PUT", "/api/v1/services/web/weights", &[], r#"{"stable": 1, "canary": 4}"#);
    assert_eq!(set.status(), 200, "{}", set.text());
    pair.wait_weight(4);
    assert_eq!(load(pair.two.http, 50, 2).by("canary"), 40);

    pair.one.process.signal("TERM");
    assert_eq!(pair.one.process.wait().code, Some(0));
    pair.one = pair.config("lb1").start_admitted();
    pair.wait_weight(4);
    assert_eq!(load(pair.one.http, 50, 2).by("canary"), 40);

    assert_eq!(pair.two.ask("DELETE", "/api/v1/services/web/weights").status(), 200);
    pair.wait_weight(1);
    for balancer in pair.both() {
        assert_eq!(load(balancer.http, 30, 2).by("canary"), 10);
    }
}

#[test]
fn an_operators_ejection_holds_at_both_until_it_is_ended_at_either() {
    let pair = Pair::start();
    assert_eq!(command(&pair.one, &["eject", "web", "looks odd"]).code, Some(0));
    for balancer in pair.both() {
        balancer.wait_ejected("web", "operator");
        assert_eq!(load(balancer.http, 30, 2).by("canary"), 0);
    }
    assert_eq!(command(&pair.two, &["readmit", "web"]).code, Some(0));
    pair.wait_admitted();
}

#[test]
fn a_lease_at_one_balancer_drains_at_both_and_the_other_grants_no_second() {
    let pair = Pair::start();
    let ask = |balancer: &Coalmine, backend: &str| {
        let body = json!({ "backend": backend, "ttl": "10m" }).to_string();
        balancer.ask_with("POST", "/api/v1/services/web/lease", &[], &body).status()
    };
    for balancer in pair.both() {
        for id in ["a", "b"] {
            balancer.wait_backend("web", "stable", id, "up");
        }
    }
    assert_eq!(ask(&pair.one, "a"), 201);
    assert_eq!(ask(&pair.two, "b"), 409);
    for balancer in pair.both() {
        eventually("it drains", || is_draining(balancer, "a"));
        assert_eq!(load(balancer.http, 30, 2).by("a"), 0);
    }
}

#[test]
fn what_one_balancers_requests_have_shown_is_followed_and_both_let_the_canary_back_in() {
    let pair = Pair::start();
    pair.fail_at_one();
    pair.two.wait_ejected("web", "peer");
    assert_eq!(load(pair.two.http, 30, 2).by("canary"), 0);
    // As long as it fails, none of them has it back for the other's sake.
    let tried = pair.canary.count();
    eventually("a trial at the first has failed", || {
        pair.one.get("/");
        pair.canary.count() > tried && pair.one.reasons("web") == ["live"]
    });
    assert!(!pair.two.is_admitted("web"));

    answers(&pair.canary, 200);
    pair.wait_admitted();
    for balancer in pair.both() {
        assert_eq!(load(balancer.http, 30, 2).by("canary"), 10);
    }
    eventually("nothing is left", || pair.redis.cli(&["KEYS", "coalmine:eject:*"]).is_empty());
}

#[test]
fn a_canary_that_fails_at_both_comes_back_at_both() {
    let pair = Pair::start();
    answers(&pair.canary, 500);
    eventually("both have it out", || {
        pair.both().iter().all(|balancer| {
            balancer.get("/");
            !balancer.is_admitted("web")
        })
    });
    answers(&pair.canary, 200);
    pair.wait_admitted();
}

#[test]
fn a_balancer_that_follows_nobody_sees_for_itself() {
    let pair = Pair::start_with(|service| long(service).key("gate.follow_peers = false"));
    pair.fail_at_one();
    eventually("the other one has been told", || pair.redis.cli(&["EXISTS", "coalmine:eject:web:lb1"]) == "1");
    for_a_while(Duration::from_millis(300));
    assert!(pair.two.is_admitted("web"));
}

#[test]
fn a_balancer_that_is_killed_holds_nobodys_canary() {
    let mut pair = Pair::start();
    pair.fail_at_one();
    pair.two.wait_ejected("web", "peer");
    pair.one.process.kill();
    answers(&pair.canary, 200);
    eventually("its word has ended", || !pair.two.reasons("web").iter().any(|reason| reason == "peer"));
    pair.two.wait_admitted("web");
}

#[test]
fn one_that_starts_late_has_the_state_of_the_others_before_its_canary_gets_anything() {
    let pair = Pair::start_with(long);
    assert_eq!(command(&pair.one, &["weight", "web", "1:4"]).code, Some(0));
    assert_eq!(command(&pair.one, &["drain", "web", "a"]).code, Some(0));
    pair.fail_at_one();
    eventually("it is announced", || pair.redis.cli(&["EXISTS", "coalmine:eject:web:lb1"]) == "1");
    pair.two.wait_ejected("web", "peer");

    let before = pair.canary.count();
    let late = Coalmine::start(&pair.config("late"));
    eventually("it is ready", || {
        late.get("/");
        late.is_ready()
    });
    late.wait_ejected("web", "peer");
    assert_eq!(late.service("web")["tracks"]["canary"]["weight"], 4);
    assert_eq!(load(late.http, 30, 2).by("b"), 30);
    assert_eq!(pair.canary.count(), before);
}

#[test]
fn a_drain_holds_from_the_first_request_on_after_a_start() {
    let pair = Pair::start();
    assert_eq!(command(&pair.one, &["drain", "web", "a"]).code, Some(0));
    eventually("it is written", || pair.redis.cli(&["EXISTS", "coalmine:drain:web:a"]) == "1");
    for _ in 0..5 {
        let late = Coalmine::start(&pair.config("late"));
        let drained = load(late.http, 20, 4).by("a");
        // A machine that is too busy to read it in time must say so.
        assert!(drained == 0 || late.process.stderr.text().contains("not read"), "{drained} requests");
    }
}

#[test]
fn cut_off_from_redis_a_balancer_keeps_its_last_state_and_says_so() {
    let pair = Pair::start();
    assert_eq!(command(&pair.one, &["drain", "web", "a"]).code, Some(0));
    assert_eq!(command(&pair.one, &["eject", "web", "odd"]).code, Some(0));
    for balancer in pair.both() {
        balancer.wait_ejected("web", "operator");
        eventually("it drains", || is_draining(balancer, "a"));
    }
    pair.redis.freeze();
    for balancer in pair.both() {
        eventually("it says so", || balancer.metric("coalmine_bus_connected", &[]) == 0.0);
        assert!(balancer.process.stderr.text().contains("the alert store does not answer"));
    }
    // What is said at one of them holds there at once, and with the other later.
    assert_eq!(command(&pair.one, &["undrain", "web", "a"]).code, Some(0));
    eventually("it is routed to", || pair.one.backend("web", "stable", "a")["routed"] == true);
    for_a_while(Duration::from_millis(300));
    assert_eq!(load(pair.two.http, 20, 2).by("b"), 20);
    assert!(pair.both().iter().all(|balancer| !balancer.is_admitted("web")));

    pair.redis.thaw();
    eventually("the other one hears of it", || pair.two.backend("web", "stable", "a")["routed"] == true);
    assert_eq!(command(&pair.two, &["readmit", "web"]).code, Some(0));
    pair.wait_admitted();
}

#[test]
fn one_that_is_cut_off_alone_keeps_its_last_state_and_catches_up() {
    let mut pair = Pair::start();
    let relay = Relay::to(pair.redis.address);
    pair.two = pair.config_at("lb2", relay.address).start_admitted();
    assert_eq!(command(&pair.one, &["drain", "web", "a"]).code, Some(0));
    eventually("both drain", || pair.both().iter().all(|balancer| is_draining(balancer, "a")));

    relay.freeze();
    assert_eq!(command(&pair.one, &["undrain", "web", "a"]).code, Some(0));
    assert_eq!(command(&pair.one, &["drain", "web", "b"]).code, Some(0));
    pair.one.raise("web");
    pair.one.wait_ejected("web", "alert");
    eventually("the other one says so", || pair.two.metric("coalmine_bus_connected", &[]) == 0.0);
    for_a_while(Duration::from_millis(300));
    assert!(pair.two.is_admitted("web") && is_draining(&pair.two, "a") && !is_draining(&pair.two, "b"));
    let tally = load(pair.two.http, 30, 2);
    assert_eq!((tally.by("b"), tally.by("canary")), (20, 10));
    assert_eq!(pair.one.metric("coalmine_bus_connected", &[]), 1.0);

    relay.thaw();
    pair.two.wait_ejected("web", "alert");
    eventually("it has caught up", || !is_draining(&pair.two, "a") && is_draining(&pair.two, "b"));
    assert_eq!(load(pair.two.http, 30, 2).by("a"), 30);
}

/// Two balancers on one Redis before the same backends.
struct Pair {
    one: Coalmine,
    two: Coalmine,
    redis: Redis,
    stable: [Backend; 2],
    canary: Backend,
    change: fn(Service) -> Service,
}

impl Pair {
    fn start() -> Self {
        Self::start_with(|service| service)
    }

    /// `change`: what is special about the service.
    fn start_with(change: fn(Service) -> Service) -> Self {
        let (redis, stable, canary) = (Redis::start(), ["a", "b"].map(Backend::start), Backend::start("canary"));
        let config = |name| config(name, redis.address, &stable, &canary, change);
        let (one, two) = (config("lb1").start_admitted(), config("lb2").start_admitted());
        Self { one, two, redis, stable, canary, change }
    }

    fn config(&self, name: &str) -> Config {
        self.config_at(name, self.redis.address)
    }

    /// With Redis at another address than its own.
    fn config_at(&self, name: &str, redis: SocketAddr) -> Config {
        config(name, redis, &self.stable, &self.canary, self.change)
    }

    fn both(&self) -> [&Coalmine; 2] {
        [&self.one, &self.two]
    }

    /// The canary fails from here on, and the requests at the first balancer show it.
    #[track_caller]
    fn fail_at_one(&self) {
        answers(&self.canary, 500);
        eventually("the canary is ejected by live traffic", || {
            self.one.get("/");
            self.one.reasons("web").iter().any(|reason| reason == "live")
        });
    }

    #[track_caller]
    fn wait_admitted(&self) {
        self.both().iter().for_each(|balancer| balancer.wait_admitted("web"));
    }

    #[track_caller]
    fn wait_weight(&self, canary: u32) {
        for balancer in self.both() {
            eventually("the weights are routed by", || balancer.service("web")["tracks"]["canary"]["weight"] == canary);
        }
    }
}

fn config(
    name: &str,
    redis: SocketAddr,
    stable: &[Backend; 2],
    canary: &Backend,
    change: fn(Service) -> Service,
) -> Config {
    let service = change(Service::of("web", &stable.each_ref(), &[canary]).quick_probes());
    Config::new().balancer(name).redis_at(redis).service(service)
}

/// What live traffic has ejected stays out for longer than a test takes.
fn long(service: Service) -> Service {
    service.table("outlier", "base_ejection = \"5m\"")
}

fn is_draining(balancer: &Coalmine, id: &str) -> bool {
    balancer.backend("web", "stable", id)["draining"] == true
}

fn command(coalmine: &Coalmine, words: &[&str]) -> Exit {
    let admin = format!("http://{}", coalmine.admin);
    run(&[words, &["--admin", &admin]].concat())
}

/// What a backend answers to clients; its probes pass all the same.
fn answers(backend: &Backend, status: u16) {
    backend.on("", Script::answer(status, &backend.id));
}
