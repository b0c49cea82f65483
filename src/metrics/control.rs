//! What the control plane decides and how fast.

use std::time::Duration;

use prometheus::{Histogram, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry};

use super::{counter_vec, gauge, gauge_vec, histogram_opts, names, register};
use crate::model::{ProbeTarget, Reason, ServiceName};

#[derive(Clone)]
pub struct ControlMetrics {
    probes: IntCounterVec,
    backend_up: IntGaugeVec,
    gate_admitted: IntGaugeVec,
    gate_reason: IntGaugeVec,
    ejections: IntCounterVec,
    eject_seconds: Histogram,
    table_generation: IntGauge,
}

impl ControlMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        let backend = &["service", "track", "backend"];
        let eject_seconds = Histogram::with_opts(histogram_opts(
            names::EJECT_SECONDS,
            "Seconds from the signal seen to the table published without the canary.",
            prometheus::exponential_buckets(0.000_01, 2.5, 14).expect("bucket bounds are valid"),
        ))
        .expect("metric names are valid");
        register(registry, eject_seconds.clone());
        Self {
            probes: counter_vec(
                registry,
                names::PROBES,
                "Probes ended, by result.",
                &["service", "track", "backend", "result"],
            ),
            backend_up: gauge_vec(registry, names::BACKEND_UP, "1 while the backend is in rotation.", backend),
            gate_admitted: gauge_vec(registry, names::GATE_ADMITTED, "1 while the canary is admitted.", &["service"]),
            gate_reason: gauge_vec(
                registry,
                names::GATE_REASON,
                "1 while the reason keeps the canary out.",
                &["service", "reason"],
            ),
            ejections: counter_vec(
                registry,
                names::EJECTIONS,
                "Times the canary was taken out, by the reason that came first.",
                &["service", "reason"],
            ),
            eject_seconds,
            table_generation: gauge(registry, names::TABLE_GENERATION, "Number of the routing table in force."),
        }
    }

    /// A table is in force.
    pub fn published(&self, generation: u64) {
        self.table_generation.set(i64::try_from(generation).unwrap_or(i64::MAX));
    }

    /// Handles for the probes of one backend.
    pub fn probe(&self, target: &ProbeTarget) -> ProbeMetrics {
        let result = |result| {
            let labels = [target.service.as_str(), target.track.as_str(), target.backend.as_str(), result];
            self.probes.with_label_values(&labels)
        };
        ProbeMetrics { passed: result("passed"), failed: result("failed") }
    }

    /// Handle for whether a backend is in rotation.
    pub fn backend_up(&self, target: &ProbeTarget) -> IntGauge {
        let labels = [target.service.as_str(), target.track.as_str(), target.backend.as_str()];
        self.backend_up.with_label_values(&labels)
    }

    /// Handles for the gate of one service.
    pub fn gate(&self, service: &ServiceName) -> GateMetrics {
        let service = service.as_str();
        GateMetrics {
            admitted: self.gate_admitted.with_label_values(&[service]),
            reasons: Reason::ALL
                .map(|reason| (reason, self.gate_reason.with_label_values(&[service, reason.as_str()]))),
            ejections: Reason::ALL
                .map(|reason| (reason, self.ejections.with_label_values(&[service, reason.as_str()]))),
            eject_seconds: self.eject_seconds.clone(),
        }
    }
}

/// Counts the probes of one backend.
#[derive(Clone)]
pub struct ProbeMetrics {
    pub passed: IntCounter,
    pub failed: IntCounter,
}

/// Shows the gate of one service.
#[derive(Clone)]
pub struct GateMetrics {
    admitted: IntGauge,
    reasons: [(Reason, IntGauge); Reason::ALL.len()],
    ejections: [(Reason, IntCounter); Reason::ALL.len()],
    eject_seconds: Histogram,
}

impl GateMetrics {
    pub fn show(&self, admitted: bool, reasons: &crate::model::Reasons) {
        self.admitted.set(i64::from(admitted));
        for (reason, gauge) in &self.reasons {
            gauge.set(i64::from(reasons.contains(reason)));
        }
    }

    /// The canary was taken out for `reason`, `took` after the signal was seen.
    pub fn ejected(&self, reason: Reason, took: Duration) {
        for (_, counter) in self.ejections.iter().filter(|(of, _)| *of == reason) {
            counter.inc();
        }
        self.eject_seconds.observe(took.as_secs_f64());
    }
}
