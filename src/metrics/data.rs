//! What the data plane counts.

use http::StatusCode;
use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry};

use super::{
    HandshakeMetrics, RefusedMetrics, counter, counter_vec, gauge, gauge_vec, histogram_opts, names, register,
};
use crate::model::ProbeTarget;

#[derive(Clone)]
pub struct DataMetrics {
    requests: IntCounterVec,
    request_seconds: HistogramVec,
    in_flight: IntGaugeVec,
    tunnels: IntGaugeVec,
    connections: IntGaugeVec,
    failures: IntCounterVec,
    resends: IntCounterVec,
    retries: IntCounterVec,
    retries_refused: IntCounterVec,
    queue: IntGaugeVec,
    circuit_refused: IntCounterVec,
    unrouted: IntCounterVec,
    pub client_connections: IntGauge,
    pub accept_errors: IntCounter,
    pub refused: RefusedMetrics,
    pub handshakes: HandshakeMetrics,
}

impl DataMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        let backend = &["service", "track", "backend"];
        // 0.5 ms to 16 s, each bound twice the one before it.
        let buckets = prometheus::exponential_buckets(0.000_5, 2.0, 16).expect("bucket bounds are valid");
        let request_seconds = HistogramVec::new(
            histogram_opts(
                names::REQUEST_SECONDS,
                "Seconds from a request's first byte to its response's last, by the track that answered.",
                buckets,
            ),
            &["service", "track"],
        )
        .expect("metric names are valid");
        register(registry, request_seconds.clone());
        Self {
            requests: counter_vec(
                registry,
                names::REQUESTS,
                "Requests ended, by the class of the status that the client got; `canceled`: the client went away first.",
                &["service", "track", "backend", "class"],
            ),
            request_seconds,
            in_flight: gauge_vec(
                registry,
                names::REQUESTS_IN_FLIGHT,
                "Requests that a backend is working on.",
                backend,
            ),
            tunnels: gauge_vec(registry, names::TUNNELS, "Upgraded connections that are open.", &["service", "track"]),
            connections: gauge_vec(registry, names::BACKEND_CONNECTIONS, "Open connections to a backend.", backend),
            failures: counter_vec(
                registry,
                names::BACKEND_FAILURES,
                "Attempts that a backend failed without an HTTP answer, by kind.",
                &["service", "track", "backend", "kind"],
            ),
            resends: counter_vec(
                registry,
                names::RESENDS,
                "Requests sent again because a pooled connection turned out to be closed.",
                backend,
            ),
            retries: counter_vec(
                registry,
                names::RETRIES,
                "Requests that another backend was given because this one failed them, by cause.",
                &["service", "track", "backend", "cause"],
            ),
            retries_refused: counter_vec(
                registry,
                names::RETRIES_REFUSED,
                "Requests that could have been retried but were not, by what spoke against it.",
                &["service", "track", "backend", "reason"],
            ),
            queue: gauge_vec(
                registry,
                names::QUEUE_LENGTH,
                "Requests that wait because a backend is given no more at a time.",
                backend,
            ),
            circuit_refused: counter_vec(
                registry,
                names::CIRCUIT_REFUSED,
                "Requests that a backend at its limits was not given, within the time for which they may wait.",
                backend,
            ),
            unrouted: counter_vec(
                registry,
                names::REQUESTS_UNROUTED,
                "Requests answered without a service, by status.",
                &["status"],
            ),
            client_connections: gauge(registry, names::CLIENT_CONNECTIONS, "Open connections of clients."),
            refused: RefusedMetrics::new(registry),
            handshakes: HandshakeMetrics::new(registry),
            accept_errors: counter(registry, names::ACCEPT_ERRORS, "Connections that could not be accepted."),
        }
    }

    /// Handles for one backend.
    pub fn backend(&self, target: &ProbeTarget) -> BackendMetrics {
        let labels = [target.service.as_str(), target.track.as_str(), target.backend.as_str()];
        let [service, track, backend] = labels;
        BackendMetrics {
            classes: Class::ALL
                .map(|class| self.requests.with_label_values(&[service, track, backend, class.as_str()])),
            failures: Failure::ALL
                .map(|kind| self.failures.with_label_values(&[service, track, backend, kind.as_str()])),
            seconds: self.request_seconds.with_label_values(&[service, track]),
            in_flight: self.in_flight.with_label_values(&labels),
            tunnels: self.tunnels.with_label_values(&[service, track]),
            connections: self.connections.with_label_values(&labels),
            resends: self.resends.with_label_values(&labels),
            retries: RetryCause::ALL
                .map(|cause| self.retries.with_label_values(&[service, track, backend, cause.as_str()])),
            retries_refused: RetryRefused::ALL
                .map(|reason| self.retries_refused.with_label_values(&[service, track, backend, reason.as_str()])),
            queue: self.queue.with_label_values(&labels),
            circuit_refused: self.circuit_refused.with_label_values(&labels),
        }
    }

    /// Drops what was counted for a backend that is configured no longer; `track`: for its whole track.
    pub fn forget(&self, target: &ProbeTarget, track: bool) {
        let labels = [target.service.as_str(), target.track.as_str(), target.backend.as_str()];
        let [service, of, backend] = labels;
        for gauges in [&self.in_flight, &self.connections, &self.queue] {
            drop(gauges.remove_label_values(&labels));
        }
        for counters in [&self.resends, &self.circuit_refused] {
            drop(counters.remove_label_values(&labels));
        }
        let more = |counters: &IntCounterVec, last: &str| {
            drop(counters.remove_label_values(&[service, of, backend, last]));
        };
        Class::ALL.iter().for_each(|class| more(&self.requests, class.as_str()));
        Failure::ALL.iter().for_each(|kind| more(&self.failures, kind.as_str()));
        RetryCause::ALL.iter().for_each(|cause| more(&self.retries, cause.as_str()));
        RetryRefused::ALL.iter().for_each(|reason| more(&self.retries_refused, reason.as_str()));
        if track {
            drop(self.request_seconds.remove_label_values(&[service, of]));
            drop(self.tunnels.remove_label_values(&[service, of]));
        }
    }

    /// Handle for requests that found no service and were answered with `status`.
    pub fn unrouted(&self, status: StatusCode) -> IntCounter {
        self.unrouted.with_label_values(&[status.as_str()])
    }
}

/// What is counted for one backend.
#[derive(Clone, Debug)]
pub struct BackendMetrics {
    classes: [IntCounter; Class::ALL.len()],
    failures: [IntCounter; Failure::ALL.len()],
    retries: [IntCounter; RetryCause::ALL.len()],
    retries_refused: [IntCounter; RetryRefused::ALL.len()],
    pub seconds: Histogram,
    pub in_flight: IntGauge,
    pub tunnels: IntGauge,
    pub connections: IntGauge,
    pub resends: IntCounter,
    pub queue: IntGauge,
    pub circuit_refused: IntCounter,
}

impl BackendMetrics {
    pub fn class(&self, class: Class) -> &IntCounter {
        &self.classes[class as usize]
    }

    pub fn failure(&self, kind: Failure) -> &IntCounter {
        &self.failures[kind as usize]
    }

    pub fn retried(&self, cause: RetryCause) -> &IntCounter {
        &self.retries[cause.index()]
    }

    pub fn retry_refused(&self, reason: RetryRefused) -> &IntCounter {
        &self.retries_refused[reason as usize]
    }
}

/// How a request ended for its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Informational,
    Success,
    Redirection,
    ClientError,
    ServerError,
    /// The client went away before the response's end.
    Canceled,
}

impl Class {
    const ALL: [Self; 6] =
        [Self::Informational, Self::Success, Self::Redirection, Self::ClientError, Self::ServerError, Self::Canceled];

    fn as_str(self) -> &'static str {
        match self {
            Self::Informational => "1xx",
            Self::Success => "2xx",
            Self::Redirection => "3xx",
            Self::ClientError => "4xx",
            Self::ServerError => "5xx",
            Self::Canceled => "canceled",
        }
    }
}

impl From<StatusCode> for Class {
    fn from(status: StatusCode) -> Self {
        match status.as_u16() {
            100..=199 => Self::Informational,
            200..=299 => Self::Success,
            300..=399 => Self::Redirection,
            400..=499 => Self::ClientError,
            _ => Self::ServerError,
        }
    }
}

/// How an attempt failed without an HTTP answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection within `timeout.connect`, or refused.
    Connect,
    /// No response head within `timeout.response`.
    Timeout,
    /// The connection ended before a response head.
    Closed,
    /// An answer that is no HTTP, or that has more than one meaning.
    Malformed,
    /// The response's body broke off or stood still.
    Body,
}

impl Failure {
    const ALL: [Self; 5] = [Self::Connect, Self::Timeout, Self::Closed, Self::Malformed, Self::Body];

    /// The same word in metrics, logs and the body of the error response.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::Closed => "closed",
            Self::Malformed => "malformed",
            Self::Body => "body",
        }
    }
}

/// Why a request was given to another backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryCause {
    Failed(Failure),
    /// By the status that it answered.
    Status,
    /// The canary was taken out while the request waited on it.
    Ejected,
}

impl RetryCause {
    const ALL: [Self; 7] = [
        Self::Failed(Failure::Connect),
        Self::Failed(Failure::Timeout),
        Self::Failed(Failure::Closed),
        Self::Failed(Failure::Malformed),
        Self::Failed(Failure::Body),
        Self::Status,
        Self::Ejected,
    ];

    fn index(self) -> usize {
        match self {
            Self::Failed(failure) => failure as usize,
            Self::Status => Failure::ALL.len(),
            Self::Ejected => Failure::ALL.len() + 1,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Failed(failure) => failure.as_str(),
            Self::Status => "status",
            Self::Ejected => "ejected",
        }
    }
}

/// Why a request that could have been retried was not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryRefused {
    /// Too many retries ran from stable to stable.
    Budget,
    /// Requests like it have killed two backends.
    Poison,
}

impl RetryRefused {
    const ALL: [Self; 2] = [Self::Budget, Self::Poison];

    fn as_str(self) -> &'static str {
        match self {
            Self::Budget => "budget",
            Self::Poison => "poison",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_its_place() {
        for (place, cause) in RetryCause::ALL.into_iter().enumerate() {
            assert_eq!(cause.index(), place, "{cause:?}");
        }
    }
}
