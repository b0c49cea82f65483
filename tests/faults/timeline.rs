//! What happened when, for whoever has to understand a failure.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

#[derive(Clone)]
pub(crate) struct Timeline {
    start: Instant,
    entries: Arc<Mutex<Vec<(Instant, String)>>>,
}

impl Timeline {
    pub(crate) fn start() -> Self {
        Self { start: Instant::now(), entries: Arc::default() }
    }

    pub(crate) fn note(&self, what: impl Into<String>) {
        self.note_at(Instant::now(), what);
    }

    pub(crate) fn note_at(&self, at: Instant, what: impl Into<String>) {
        self.entries.lock().unwrap().push((at, what.into()));
    }

    pub(crate) fn since_start(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.start)
    }
}

impl fmt::Display for Timeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut entries = self.entries.lock().unwrap().clone();
        entries.sort_by_key(|(at, _)| *at);
        for (at, what) in entries {
            writeln!(f, "  {:8.3} s  {what}", self.since_start(at).as_secs_f64())?;
        }
        Ok(())
    }
}
