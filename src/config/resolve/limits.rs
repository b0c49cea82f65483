//! `[limits]` and `[service.limits]`.

use std::ops::RangeInclusive;

use super::scalar::{LASTING, duration, whole};
use crate::config::key::Key;
use crate::config::problem::Problems;
use crate::config::raw::{RawLimits, RawRate, RawServiceLimits};
use crate::model::{CircuitLimits, LimitSettings, RateSpec, ServiceLimits};

const COUNT: RangeInclusive<u32> = 0..=1_000_000;
/// 1 TiB.
const BODY: RangeInclusive<i64> = 0..=1 << 40;

pub(super) fn limits(problems: &mut Problems<'_>, raw: &RawLimits) -> Option<LimitSettings> {
    let key = Key::top("limits");
    let mut number = |field: &str, number, range| whole(problems, &key.field(field), number, range);
    let max_connections = number("max_connections", raw.max_connections, COUNT);
    let max_requests = number("max_requests", raw.max_requests, COUNT);
    let listener_connections = number("listener_connections", raw.listener_connections, COUNT);
    let client_connections = number("client_connections", raw.client_connections, COUNT);
    let headers = number("headers", raw.headers, 1..=1000);
    // The buffer that a head is read into has 256 KiB.
    let header_bytes = number("header_bytes", raw.header_bytes, 1024..=131_072);
    // Longer targets are refused by what reads them.
    let request_line = number("request_line", raw.request_line, 256..=65_536);
    let body_rate = number("body_rate", raw.body_rate, 0..=1_000_000_000);
    let streams = number("streams", raw.streams, 1..=1000);
    let rate = rate(problems, &key.field("rate"), &raw.rate);
    Some(LimitSettings {
        max_connections: max_connections?,
        max_requests: max_requests?,
        listener_connections: listener_connections?,
        client_connections: client_connections?,
        headers: headers?,
        header_bytes: header_bytes?,
        request_line: request_line?,
        body_rate: body_rate?,
        streams: streams?,
        rate: rate?,
    })
}

pub(super) fn service_limits(problems: &mut Problems<'_>, key: &Key, raw: &RawServiceLimits) -> Option<ServiceLimits> {
    let circuit = circuit(problems, key, raw);
    let body = whole(problems, &key.field("body"), raw.body, BODY);
    let rate = rate(problems, &key.field("rate"), &raw.rate);
    Some(ServiceLimits { circuit: circuit?, body: body?.unsigned_abs(), rate: rate? })
}

fn circuit(problems: &mut Problems<'_>, key: &Key, raw: &RawServiceLimits) -> Option<CircuitLimits> {
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

/// Who may send so much in a second may send it at once, unless something else is said.
fn rate(problems: &mut Problems<'_>, key: &Key, raw: &RawRate) -> Option<RateSpec> {
    let requests = whole(problems, &key.field("requests"), raw.requests, COUNT);
    let burst_key = key.field("burst");
    let burst = whole(problems, &burst_key, raw.burst, COUNT);
    if burst.is_some_and(|burst| burst > 0) && requests == Some(0) {
        let remedy = "write rate.requests, or remove the burst";
        return problems.refuse(&burst_key, raw.burst, "without a rate there is no limit", remedy);
    }
    let requests = requests?;
    Some(RateSpec { requests, burst: burst.map(|burst| if burst == 0 { requests } else { burst })? })
}
