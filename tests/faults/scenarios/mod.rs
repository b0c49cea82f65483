//! What may go wrong.

mod balancer;
mod canary;
mod mixed;
mod redis;
mod stable;

use crate::proxy::Kind;
use crate::scenario::Scenario;

const COALMINE: &[Kind] = &[Kind::Coalmine];

/// Every scenario, in the order of the table.
pub(crate) fn all() -> Vec<&'static Scenario> {
    [canary::ALL, stable::ALL, redis::ALL, balancer::ALL, mixed::ALL].concat()
}

/// What is drawn when nothing else is said.
const SEED: u64 = 1;

#[test]
fn no_two_scenarios_share_a_name() {
    let names: std::collections::BTreeSet<_> = all().into_iter().map(|scenario| scenario.name).collect();
    assert_eq!(names.len(), all().len());
    assert!(names.len() >= 20);
}
