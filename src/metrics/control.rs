//! What the control plane decides and how fast.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus::{Gauge, GaugeVec, Histogram, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

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
    canary_share: GaugeVec,
    degraded: IntGaugeVec,
    backend_ejected: IntGaugeVec,
    backend_ejections: IntCounterVec,
    heartbeat: GaugeVec,
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
            canary_share: fractions(
                registry,
                names::CANARY_SHARE,
                "The canary's part of new requests that are drawn by turns, 0 to 1.",
                "service",
            ),
            degraded: gauge_vec(
                registry,
                names::SERVICE_DEGRADED,
                "1 while every member of the service fails.",
                &["service"],
            ),
            backend_ejected: gauge_vec(
                registry,
                names::BACKEND_EJECTED,
                "1 while live traffic keeps this one backend out.",
                backend,
            ),
            backend_ejections: counter_vec(
                registry,
                names::BACKEND_EJECTIONS,
                "Times live traffic took this one backend out.",
                backend,
            ),
            heartbeat: fractions(
                registry,
                names::HEARTBEAT,
                "When the task was last seen alive, in Unix seconds.",
                "task",
            ),
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

    /// Handle for whether live traffic keeps a backend out.
    pub fn backend_ejected(&self, target: &ProbeTarget) -> IntGauge {
        let labels = [target.service.as_str(), target.track.as_str(), target.backend.as_str()];
        self.backend_ejected.with_label_values(&labels)
    }

    /// Handle for how often live traffic took a backend out.
    pub fn backend_ejections(&self, target: &ProbeTarget) -> IntCounter {
        let labels = [target.service.as_str(), target.track.as_str(), target.backend.as_str()];
        self.backend_ejections.with_label_values(&labels)
    }

    /// Handle for whether every member of a service fails.
    pub fn degraded(&self, service: &ServiceName) -> IntGauge {
        self.degraded.with_label_values(&[service.as_str()])
    }

    /// Handle for the canary's part of new requests.
    pub fn canary_share(&self, service: &ServiceName) -> Gauge {
        self.canary_share.with_label_values(&[service.as_str()])
    }

    /// Drops what was said of a backend that is configured no longer.
    pub fn forget_backend(&self, target: &ProbeTarget) {
        let labels = [target.service.as_str(), target.track.as_str(), target.backend.as_str()];
        let [service, track, backend] = labels;
        drop(self.backend_up.remove_label_values(&labels));
        drop(self.backend_ejected.remove_label_values(&labels));
        drop(self.backend_ejections.remove_label_values(&labels));
        for result in ["passed", "failed"] {
            drop(self.probes.remove_label_values(&[service, track, backend, result]));
        }
    }

    /// The same of a canary.
    pub fn forget_gate(&self, service: &ServiceName) {
        let service = service.as_str();
        drop(self.gate_admitted.remove_label_values(&[service]));
        drop(self.canary_share.remove_label_values(&[service]));
        for reason in Reason::ALL {
            drop(self.gate_reason.remove_label_values(&[service, reason.as_str()]));
            drop(self.ejections.remove_label_values(&[service, reason.as_str()]));
        }
    }

    /// The same of a service whose backends and gate are forgotten.
    pub fn forget_service(&self, service: &ServiceName) {
        drop(self.degraded.remove_label_values(&[service.as_str()]));
    }

    /// A task of the control plane is alive.
    pub fn beat(&self, task: &'static str) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.heartbeat.with_label_values(&[task]).set(now.as_secs_f64());
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

fn fractions(registry: &Registry, name: &str, help: &str, label: &str) -> GaugeVec {
    let family = GaugeVec::new(Opts::new(name, help), &[label]).expect("metric names are valid");
    register(registry, family.clone());
    family
}
