//! What is counted of certificates from an authority.

use prometheus::{IntCounter, Registry};

use super::{counter_vec, names};

#[derive(Clone)]
pub struct AcmeMetrics {
    issued: IntCounter,
    failed: IntCounter,
}

impl AcmeMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        let orders = counter_vec(
            registry,
            names::ACME_ORDERS,
            "Certificates ordered of the authority, by whether one came of it.",
            &["result"],
        );
        let [issued, failed] = ["ok", "failed"].map(|result| orders.with_label_values(&[result]));
        Self { issued, failed }
    }

    pub fn ordered(&self, issued: bool) {
        if issued { self.issued.inc() } else { self.failed.inc() }
    }
}
