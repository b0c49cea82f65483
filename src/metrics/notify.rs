//! Who was told, and what still waits.

use prometheus::{IntCounterVec, IntGaugeVec, Registry};

use super::{counter_vec, gauge_vec, names};
use crate::model::Way;

/// Notices by the way that they go.
#[derive(Clone)]
pub struct NotifyMetrics {
    notices: IntCounterVec,
    pending: IntGaugeVec,
}

impl NotifyMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        let notices = counter_vec(
            registry,
            names::NOTICES,
            "Notices sent, lost or given up, and attempts that will be repeated, by way.",
            &["way", "result"],
        );
        let pending = gauge_vec(registry, names::NOTICES_PENDING, "Notices that wait to be sent, by way.", &["way"]);
        for way in Way::ALL {
            for result in ["sent", "retried", "dropped"] {
                // It is there before the first one, so that a rate of it is right.
                notices.with_label_values(&[way.as_str(), result]).inc_by(0);
            }
        }
        Self { notices, pending }
    }

    /// One has arrived.
    pub fn sent(&self, way: Way) {
        self.notices.with_label_values(&[way.as_str(), "sent"]).inc();
    }

    /// An attempt failed and will be repeated.
    pub fn retried(&self, way: Way) {
        self.notices.with_label_values(&[way.as_str(), "retried"]).inc();
    }

    /// There was no room for one, or it was given up.
    pub fn dropped(&self, way: Way) {
        self.notices.with_label_values(&[way.as_str(), "dropped"]).inc();
    }

    /// So many wait.
    pub fn pending(&self, way: Way, waiting: usize) {
        self.pending.with_label_values(&[way.as_str()]).set(i64::try_from(waiting).unwrap_or(i64::MAX));
    }
}
