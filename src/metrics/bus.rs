//! The alert store as seen from here.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use prometheus::{Gauge, IntGauge, Registry};

use super::{gauge, names, register};

/// Whether the alert store answers, and how old what it said is.
#[derive(Clone)]
pub struct BusMetrics {
    connected: IntGauge,
    age: Gauge,
    last_read: Arc<Mutex<Option<Instant>>>,
}

impl BusMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        let age =
            Gauge::new(names::BUS_AGE, "Seconds since the alerts were last read whole; -1 before the first time.")
                .expect("metric names are valid");
        register(registry, age.clone());
        Self {
            connected: gauge(registry, names::BUS_CONNECTED, "1 while the alert store answers."),
            age,
            last_read: Arc::default(),
        }
    }

    /// All alerts were just read: the store is connected and its age is zero.
    pub fn read(&self) {
        self.connected.set(1);
        *self.last_read.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// The store does not answer; what was read last stays in force.
    pub fn lost(&self) {
        self.connected.set(0);
    }

    pub(super) fn refresh_age(&self) {
        let last_read = *self.last_read.lock().unwrap_or_else(PoisonError::into_inner);
        self.age.set(last_read.map_or(-1.0, |at| at.elapsed().as_secs_f64()));
    }
}
