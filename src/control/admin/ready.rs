//! Whether traffic may be sent here.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::control::FleetStatus;

/// How long the first reading of the alerts is waited for; the canary stays out until it is there.
const ALERT_PATIENCE: Duration = Duration::from_secs(1);

/// Not ready before the first round of probes and the first reading of the alerts, and never again after a stop was
/// asked for. Made when the listeners are bound.
#[derive(Clone, Debug)]
pub struct Readiness {
    started: Instant,
    stopping: CancellationToken,
}

impl Readiness {
    pub fn new(stopping: CancellationToken) -> Self {
        Self { started: Instant::now(), stopping }
    }

    /// `None`: ready.
    pub(super) fn why_not(&self, status: &FleetStatus) -> Option<&'static str> {
        if self.stopping.is_cancelled() {
            Some("stopping\n")
        } else if !status.probed {
            Some("not ready: the first round of probes is not done\n")
        } else if !status.alerts_read && self.started.elapsed() < ALERT_PATIENCE {
            Some("not ready: the alerts have not been read\n")
        } else {
            None
        }
    }
}
