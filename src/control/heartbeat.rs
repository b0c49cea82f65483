//! Whether the one loop that everything hangs on is alive, for systemd's watchdog: the controller's, or the agent's.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// When it last turned. Clones show the same.
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
    /// It is alive now.
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
