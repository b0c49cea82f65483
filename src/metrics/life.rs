//! How the process itself fares: reloads and restarted tasks.

use std::time::SystemTime;

use prometheus::{Gauge, IntCounter, IntCounterVec, Registry};

use super::{counter_vec, names, register};

#[derive(Clone)]
pub struct LifeMetrics {
    reloads: IntCounterVec,
    loaded: Gauge,
    restarts: IntCounterVec,
}

impl LifeMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        let gauge = |name, help| {
            let gauge = Gauge::new(name, help).expect("metric names are valid");
            register(registry, gauge.clone());
            gauge
        };
        let metrics = Self {
            reloads: counter_vec(registry, names::RELOADS, "Configurations loaded again, by result.", &["result"]),
            loaded: gauge(names::CONFIG_LOADED, "When the configuration in force was loaded, in seconds since 1970."),
            restarts: counter_vec(registry, names::TASK_RESTARTS, "Tasks that panicked and run again.", &["task"]),
        };
        metrics.loaded();
        metrics
    }

    /// A configuration was loaded again and is in force, or was refused.
    pub fn reloaded(&self, applied: bool) {
        self.reloads.with_label_values(&[if applied { "applied" } else { "refused" }]).inc();
        if applied {
            self.loaded();
        }
    }

    /// Counts how often `task` was started again.
    pub fn restarts(&self, task: &str) -> IntCounter {
        self.restarts.with_label_values(&[task])
    }

    fn loaded(&self) {
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.loaded.set(since_1970.as_secs_f64());
    }
}
