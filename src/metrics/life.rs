//! How the process itself fares: reloads, restarted tasks, and whether the control thread is alive.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant, SystemTime};

use prometheus::{Gauge, IntCounter, IntCounterVec, Registry};

use super::{counter_vec, names, register};

#[derive(Clone)]
pub struct LifeMetrics {
    reloads: IntCounterVec,
    loaded: Gauge,
    restarts: IntCounterVec,
    age: Gauge,
    pub heartbeat: Heartbeat,
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
            age: gauge(names::CONTROL_HEARTBEAT, "Seconds since the last sign of life of the control thread."),
            heartbeat: Heartbeat::default(),
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

    pub(super) fn refresh_age(&self) {
        self.age.set(self.heartbeat.age().as_secs_f64());
    }

    fn loaded(&self) {
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.loaded.set(since_1970.as_secs_f64());
    }
}

/// When a thread last gave a sign of life.
#[derive(Clone, Debug)]
pub struct Heartbeat {
    made: Instant,
    /// Milliseconds after `made`.
    last: Arc<AtomicU64>,
}

impl Default for Heartbeat {
    fn default() -> Self {
        Self { made: Instant::now(), last: Arc::default() }
    }
}

impl Heartbeat {
    pub fn beat(&self) {
        self.last.store(self.since_made(), Relaxed);
    }

    /// Time since the last beat, or since the start.
    pub fn age(&self) -> Duration {
        Duration::from_millis(self.since_made().saturating_sub(self.last.load(Relaxed)))
    }

    fn since_made(&self) -> u64 {
        u64::try_from(self.made.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
