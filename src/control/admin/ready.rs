//! Whether traffic may be sent here.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::control::FleetStatus;

/// How long the first reading of the alerts is waited for; the canary stays out until it is there.
const ALERT_PATIENCE: Duration = Duration::from_secs(1);

/// Not ready before the first round of probes and the first reading of the alerts, and never again after a stop was
/// asked for. Between the two it stays ready: a service that a reload adds must not take the others out of rotation.
/// Made when the listeners are bound.
#[derive(Clone, Debug)]
pub struct Readiness {
    started: Instant,
    stopping: CancellationToken,
    was_ready: Arc<AtomicBool>,
}

impl Readiness {
    pub fn new(stopping: CancellationToken) -> Self {
        Self { started: Instant::now(), stopping, was_ready: Arc::default() }
    }

    /// `None`: ready.
    pub(super) fn why_not(&self, status: &FleetStatus) -> Option<&'static str> {
        if self.stopping.is_cancelled() {
            Some("stopping\n")
        } else if self.was_ready.load(Ordering::Relaxed) {
            None
        } else if !status.probed {
            Some("not ready: the first round of probes is not done\n")
        } else if !status.alerts_read && self.started.elapsed() < ALERT_PATIENCE {
            Some("not ready: the alerts have not been read\n")
        } else {
            self.was_ready.store(true, Ordering::Relaxed);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_reload_adds_does_not_end_being_ready_and_a_stop_does() {
        let mut status = FleetStatus { generation: 1, probed: false, alerts_read: true, services: Vec::new() };
        let stopping = CancellationToken::new();
        let readiness = Readiness::new(stopping.clone());
        assert!(readiness.clone().why_not(&status).is_some());
        status.probed = true;
        assert_eq!(readiness.clone().why_not(&status), None);
        (status.probed, status.alerts_read) = (false, false);
        assert_eq!(readiness.why_not(&status), None);
        stopping.cancel();
        assert!(readiness.why_not(&status).is_some());
    }
}
