//! `[service.limits]`.

use std::ops::RangeInclusive;

use super::scalar::{LASTING, duration, whole};
use crate::config::key::Key;
use crate::config::problem::Problems;
use crate::config::raw::RawLimits;
use crate::model::CircuitLimits;

const COUNT: RangeInclusive<u32> = 0..=1_000_000;

pub(super) fn limits(problems: &mut Problems<'_>, key: &Key, raw: &RawLimits) -> Option<CircuitLimits> {
    let connections = whole(problems, &key.field("connections"), raw.connections, COUNT);
    let requests = whole(problems, &key.field("requests"), raw.requests, COUNT);
    let queue_key = key.field("queue");
    let queue = whole(problems, &queue_key, raw.queue, COUNT);
    let queue_timeout = duration(problems, &key.field("queue_timeout"), &raw.queue_timeout, LASTING);
    if queue.is_some_and(|queue| queue > 0) && (connections, requests) == (Some(0), Some(0)) {
        let remedy = "write limits.requests or limits.connections, or remove the queue";
        return problems.refuse(&queue_key, raw.queue, "without a limit nothing ever waits", remedy);
    }
    Some(CircuitLimits { connections: connections?, requests: requests?, queue: queue?, queue_timeout: queue_timeout? })
}
