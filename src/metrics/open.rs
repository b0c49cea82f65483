//! A gauge that goes back down by itself.

use prometheus::IntGauge;

/// Counts one thing as open for as long as it lives, also when its task is dropped or panics.
#[derive(Debug)]
pub struct Open(IntGauge);

impl Open {
    pub fn one(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}
