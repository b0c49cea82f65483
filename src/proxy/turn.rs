//! A request's place among those in flight.

use std::ops::Deref;
use std::sync::Arc;

use super::worker::Worker;

/// Counted by all workers together for as long as it lives, and at hand for it the worker that it runs on.
pub(super) struct Turn(Arc<Worker>);

impl Turn {
    /// `None`: as many are in flight as may be.
    #[inline]
    pub(super) fn take(worker: &Arc<Worker>) -> Option<Self> {
        worker.crowd.requests.enter().then(|| Self(worker.clone()))
    }
}

impl Deref for Turn {
    type Target = Worker;

    fn deref(&self) -> &Worker {
        &self.0
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.crowd.requests.leave();
    }
}
