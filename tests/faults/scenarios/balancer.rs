//! The balancer itself is told to read its configuration again, or is replaced.

use std::time::{Duration, Instant};

use super::{COALMINE, SEED};
use crate::proxy::Kind;
use crate::scenario::Scenario;
use crate::stage::{CANARY, Needs, Stage};
use crate::support::for_a_while;

pub(super) const ALL: &[&Scenario] = &[&RELOADED, &REPLACED, &REPLACED_WHILE_EJECTED];

const RELOADED: Scenario =
    Scenario { name: "reload each 100 ms", needs: Needs::Nothing, kinds: &Kind::ALL, script: reloaded };

const REPLACED: Scenario =
    Scenario { name: "binary upgrade each 5 s", needs: Needs::Nothing, kinds: &Kind::ALL, script: replaced };

const REPLACED_WHILE_EJECTED: Scenario = Scenario {
    name: "binary upgrade while ejected",
    needs: Needs::Redis,
    kinds: COALMINE,
    script: replaced_while_ejected,
};

fn reloaded(stage: &mut Stage) {
    stage.timeline.note("reloads begin");
    for turn in 0..30 {
        stage.reload(Some(turn));
        if !stage.problems.is_empty() {
            return;
        }
        for_a_while(Duration::from_millis(100));
    }
    stage.reload(None);
    stage.timeline.note("reloads end");
    // What the last one changes is there a moment later at most.
    for_a_while(Duration::from_secs(1));
}

fn replaced(stage: &mut Stage) {
    let pause = Duration::from_secs(5);
    for _ in 0..2 {
        let begun = Instant::now();
        stage.upgrade();
        if !stage.problems.is_empty() {
            return;
        }
        for_a_while(pause.saturating_sub(begun.elapsed()));
    }
}

/// The new process must not let the canary in, not for one request.
fn replaced_while_ejected(stage: &mut Stage) {
    let key = "coalmine:alert:web";
    stage.redis().cli(&["SET", key, "1"]);
    stage.wait_gate(false);
    // What was under way to the canary is there by then.
    for_a_while(Duration::from_millis(500));
    let before = stage.given()[CANARY].len();
    stage.upgrade();
    for_a_while(Duration::from_secs(1));
    let more = stage.given()[CANARY].len() - before;
    if more > 0 {
        stage.problem(format!("the canary got {more} requests although its alert stands"));
    }
    stage.redis().cli(&["DEL", key]);
}

#[test]
fn reloads_cost_no_request() {
    RELOADED.check(SEED);
}

#[test]
fn upgrades_cost_no_request() {
    REPLACED.check(SEED);
}

#[test]
fn an_upgrade_keeps_an_ejected_canary_out() {
    REPLACED_WHILE_EJECTED.check(SEED);
}
