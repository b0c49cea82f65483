//! One of three stable backends fails.

use super::SEED;
use crate::backend::Backend;
use crate::proxy::Kind;
use crate::scenario::Scenario;
use crate::stage::{Needs, STABLE, Stage};

pub(super) const ALL: &[&Scenario] = &[&KILLED, &FROZEN];

const KILLED: Scenario = of("one stable killed (kill -9)", |stage| {
    stage.harm(STABLE[0], "kill -9", Backend::kill);
    stage.wait_out(STABLE[0]);
    stage.heal(STABLE[0], "started again", Backend::restart);
});

const FROZEN: Scenario = of("one stable frozen (SIGSTOP)", |stage| {
    stage.harm(STABLE[0], "SIGSTOP", Backend::freeze);
    stage.wait_out(STABLE[0]);
    stage.heal(STABLE[0], "SIGCONT", Backend::thaw);
});

const fn of(name: &'static str, script: fn(&mut Stage)) -> Scenario {
    Scenario { name, needs: Needs::Nothing, kinds: &Kind::ALL, script }
}

#[test]
fn a_killed_stable_backend_costs_no_request() {
    KILLED.check(SEED);
}

#[test]
fn a_frozen_stable_backend_costs_no_request() {
    FROZEN.check(SEED);
}
