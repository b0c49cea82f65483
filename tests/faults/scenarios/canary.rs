//! The canary fails; its probes may pass all the while.

use std::time::Duration;

use super::SEED;
use crate::backend::Backend;
use crate::backend::mode::{Answer, Mode};
use crate::network::Filter;
use crate::proxy::Kind;
use crate::scenario::Scenario;
use crate::stage::{CANARY, Needs, Stage};
use crate::support::for_a_while;

pub(super) const ALL: &[&Scenario] =
    &[&KILLED, &FROZEN, &CUT_OFF, &REFUSED, &RESETTING, &HALF_HEADS, &HALF_BODIES, &LATE, &ERRORS, &FLAPPING];

const KILLED: Scenario = of("canary killed (kill -9)", |stage| {
    stage.harm(CANARY, "kill -9", Backend::kill);
    stage.wait_out(CANARY);
    stage.heal(CANARY, "started again", Backend::restart);
});

const FROZEN: Scenario = of("canary frozen (SIGSTOP)", |stage| {
    stage.harm(CANARY, "SIGSTOP", Backend::freeze);
    stage.wait_out(CANARY);
    stage.heal(CANARY, "SIGCONT", Backend::thaw);
});

const CUT_OFF: Scenario = behind_a_link("canary cut off (nft drop)", |stage| filtered(stage, Filter::Drop));

const REFUSED: Scenario = behind_a_link("canary refused (nft reset)", |stage| filtered(stage, Filter::Reset));

const RESETTING: Scenario = of("canary resets connections", |stage| misbehaves(stage, Answer::Reset, 100));

const HALF_HEADS: Scenario = of("canary ends in its heads", |stage| misbehaves(stage, Answer::HalfHead, 100));

const HALF_BODIES: Scenario = of("canary ends in its bodies", |stage| misbehaves(stage, Answer::HalfBody, 100));

const LATE: Scenario = of("canary answers late", |stage| misbehaves(stage, Answer::Late, 100));

const ERRORS: Scenario = of("canary answers 500 to 20 %", |stage| misbehaves(stage, Answer::Error, 20));

const FLAPPING: Scenario = of("canary flaps each second", |stage| {
    for _ in 0..3 {
        let bad = Mode::of(Answer::Reset, 100).and_fails_probes();
        stage.harm(CANARY, "resets and fails probes", |canary| canary.behave(bad));
        for_a_while(Duration::from_secs(1));
        stage.heal(CANARY, "well", |canary| canary.behave(Mode::default()));
        for_a_while(Duration::from_secs(1));
    }
});

const fn of(name: &'static str, script: fn(&mut Stage)) -> Scenario {
    Scenario { name, needs: Needs::Nothing, kinds: &Kind::ALL, script }
}

const fn behind_a_link(name: &'static str, script: fn(&mut Stage)) -> Scenario {
    Scenario { name, needs: Needs::Network, kinds: &Kind::ALL, script }
}

fn filtered(stage: &mut Stage, filter: Filter) {
    stage.harm(CANARY, &format!("{filter:?}"), |canary| canary.filter(Some(filter)));
    stage.wait_out(CANARY);
    stage.heal(CANARY, "reachable", |canary| canary.filter(None));
}

/// Its probes pass, so that live traffic alone can tell.
fn misbehaves(stage: &mut Stage, answer: Answer, percent: u8) {
    stage.harm(CANARY, &format!("{} {percent} %", answer.name()), |canary| canary.behave(Mode::of(answer, percent)));
    stage.wait_out(CANARY);
    stage.heal(CANARY, "well", |canary| canary.behave(Mode::default()));
}

#[test]
fn a_killed_canary_costs_no_request() {
    KILLED.check(SEED);
}

#[test]
fn a_frozen_canary_costs_no_request() {
    FROZEN.check(SEED);
}

#[test]
fn a_canary_that_is_cut_off_costs_no_request() {
    CUT_OFF.check(SEED);
}

#[test]
fn a_canary_whose_host_refuses_costs_no_request() {
    REFUSED.check(SEED);
}

#[test]
fn a_canary_that_resets_connections_costs_no_request() {
    RESETTING.check(SEED);
}

#[test]
fn a_canary_that_ends_in_its_heads_costs_no_request() {
    HALF_HEADS.check(SEED);
}

#[test]
fn a_canary_that_ends_in_its_bodies_is_ejected() {
    HALF_BODIES.check(SEED);
}

#[test]
fn a_canary_that_answers_late_costs_no_request() {
    LATE.check(SEED);
}

#[test]
fn errors_of_the_canary_cost_no_request() {
    ERRORS.check(SEED);
}

#[test]
fn a_canary_that_flaps_costs_no_request() {
    FLAPPING.check(SEED);
}
