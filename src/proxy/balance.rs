//! Which backend of a track a request goes to.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use crate::model::Balance;
use crate::table::{Backend, Lane};

/// The next backend of `lane`; `None` only when it is empty.
#[inline]
pub(super) fn pick<'a>(lane: &'a Lane, balance: Balance, position: &AtomicU64) -> Option<&'a Arc<Backend>> {
    let turn = position.fetch_add(1, Relaxed);
    match balance {
        Balance::RoundRobin => lane.turn(turn),
        Balance::LeastRequest => least_request(lane.members(), turn),
    }
}

/// The member with room and the fewest requests in flight for its weight. Equals take turns, so that idle backends
/// share evenly.
fn least_request(members: &[Arc<Backend>], turn: u64) -> Option<&Arc<Backend>> {
    let first = usize::try_from(turn % (members.len().max(1) as u64)).unwrap_or(0);
    let (before, from) = members.split_at(first);
    from.iter().chain(before).min_by(|a, b| {
        let (a_load, b_load) = (load(a) * i64::from(b.weight), load(b) * i64::from(a.weight));
        b.has_room().cmp(&a.has_room()).then(a_load.cmp(&b_load))
    })
}

/// Requests in flight.
pub(super) fn load(backend: &Backend) -> i64 {
    backend.metrics.in_flight.get().max(0)
}
