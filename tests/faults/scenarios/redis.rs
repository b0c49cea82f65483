//! The store of alerts fails; no client may notice.

use std::time::Duration;

use super::{COALMINE, SEED};
use crate::scenario::Scenario;
use crate::stage::{Needs, PATIENCE, Stage, within};
use crate::support::for_a_while;

pub(super) const ALL: &[&Scenario] = &[&KILLED, &FROZEN, &FAILED_OVER, &FULL];

/// How long it fails.
const FAULT: Duration = Duration::from_secs(2);

const ALERT: &str = "coalmine:alert:web";

const KILLED: Scenario = of("Redis killed (kill -9)", Needs::Redis, |stage| {
    stage.timeline.note("redis: kill -9");
    stage.redis().kill();
    for_a_while(FAULT);
    stage.redis().restart();
    stage.timeline.note("redis: started again");
    alert(stage, |stage| drop(stage.redis().cli(&["SET", ALERT, "1"])));
    stage.redis().cli(&["DEL", ALERT]);
});

const FROZEN: Scenario = of("Redis frozen (SIGSTOP)", Needs::Redis, |stage| {
    stage.timeline.note("redis: SIGSTOP");
    stage.redis().freeze();
    for_a_while(FAULT);
    stage.redis().thaw();
    stage.timeline.note("redis: SIGCONT");
    alert(stage, |stage| drop(stage.redis().cli(&["SET", ALERT, "1"])));
    stage.redis().cli(&["DEL", ALERT]);
});

const FAILED_OVER: Scenario = of("Redis failed over by Sentinel", Needs::Sentinel, |stage| {
    stage.timeline.note("primary: kill -9");
    stage.sentinel().primary.kill();
    if !within(PATIENCE, || stage.sentinel().replica_leads()) {
        return stage.problem("the replica did not take over".to_owned());
    }
    stage.timeline.note("the replica has taken over");
    alert(stage, |stage| drop(stage.sentinel().replica.cli(&["SET", ALERT, "1"])));
    stage.sentinel().replica.cli(&["DEL", ALERT]);
});

/// A canary that is out stays out, although its balancer can write nothing down.
const FULL: Scenario = of("Redis full (maxmemory)", Needs::Redis, |stage| {
    alert(stage, |stage| drop(stage.redis().cli(&["SET", ALERT, "1"])));
    stage.redis().cli(&["CONFIG", "SET", "maxmemory", "1"]);
    stage.timeline.note("redis: full");
    for_a_while(FAULT);
    stage.redis().cli(&["CONFIG", "SET", "maxmemory", "0"]);
    stage.timeline.note("redis: has room");
    stage.redis().cli(&["DEL", ALERT]);
});

const fn of(name: &'static str, needs: Needs, script: fn(&mut Stage)) -> Scenario {
    Scenario { name, needs, kinds: COALMINE, script }
}

/// Raises the alert, which the balancer must hear.
fn alert(stage: &mut Stage, raise: fn(&mut Stage)) {
    raise(stage);
    stage.timeline.note("alert raised");
    stage.wait_gate(false);
}

#[test]
fn a_killed_redis_costs_no_request() {
    KILLED.check(SEED);
}

#[test]
fn a_frozen_redis_costs_no_request() {
    FROZEN.check(SEED);
}

#[test]
fn a_failover_of_redis_costs_no_request() {
    FAILED_OVER.check(SEED);
}

#[test]
fn a_full_redis_costs_no_request() {
    FULL.check(SEED);
}
