//! Whether it is the client that is waited for, and what it did wrong when nothing came of it.

use std::sync::atomic::Ordering::Relaxed;

use super::{Pace, Phase};
use crate::metrics::Refused;

impl Pace {
    /// The backend asks for more of the request's body than the client has sent (`true`), or has got it (`false`).
    pub(in crate::proxy) fn starve(&self, starved: bool) {
        self.starved.store(starved, Relaxed);
        if self.phase() == Phase::Upload && starved != self.flow.is_waiting() {
            self.wait_for_client(starved, self.body_idle.load(Relaxed));
        }
    }

    /// Whether an upload that stands still waits for the client, not for the backend.
    pub(in crate::proxy) fn starved(&self) -> bool {
        self.uploading() && self.starved.load(Relaxed)
    }

    /// The client, whose turn it is to move bytes, is waited for from now on or is not any more. Whoever makes it wait
    /// may do so for `idle`.
    pub(super) fn wait_for_client(&self, wait: bool, idle: u64) {
        let now = self.now();
        if wait {
            self.flow.wait(now);
            self.end_by(self.flow.deadline());
        } else {
            self.flow.go_on(now);
            self.set_deadline(now + idle);
        }
    }

    /// Whether it is the client's turn to move bytes.
    pub(in crate::proxy) fn is_client_awaited(&self) -> bool {
        self.flow.is_waiting()
    }

    /// Whether the client has been too slow by now.
    pub(in crate::proxy) fn is_slow(&self) -> bool {
        self.flow.deadline() <= self.now()
    }

    /// What the client made the connection miss its deadline by, if it was the client. One that was idle between two
    /// requests has done nothing.
    pub(in crate::proxy) fn fault(&self) -> Option<Refused> {
        match self.phase() {
            Phase::Head => Some(Refused::HeaderTimeout),
            Phase::Idle | Phase::Response if self.flow.is_waiting() => {
                Some(if self.is_slow() { Refused::BodyRate } else { Refused::Idle })
            }
            Phase::Idle if self.heard.load(Relaxed) == 0 => Some(Refused::Idle),
            Phase::Idle | Phase::Upload | Phase::Waiting | Phase::Response | Phase::Shared | Phase::Tunnel => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::super::specimen::{SECOND, pace};
    use super::*;
    use crate::net::stream::Witness;

    #[test]
    fn an_upload_is_too_slow_only_while_the_client_is_waited_for() {
        let pace = Arc::new(Pace::new(Duration::from_secs(60), Duration::from_secs(10)).with_rate(100));
        pace.request();
        pace.sent(true, Duration::from_secs(60), Duration::from_secs(5));
        pace.starve(true);
        assert!(pace.deadline() < 11 * SECOND);
        pace.read(3000);
        assert!((29 * SECOND..31 * SECOND).contains(&pace.deadline()), "{}", pace.deadline());
        pace.starve(false);
        assert!(pace.deadline() > 59 * SECOND, "the backend has its own time");
    }

    #[test]
    fn a_response_is_taken_too_slowly_only_while_the_client_is_waited_for() {
        let pace = Arc::new(Pace::new(Duration::from_secs(60), Duration::from_secs(10)).with_rate(100));
        pace.request();
        pace.responded(Duration::from_secs(60));
        pace.written(1);
        assert!(pace.deadline() > 59 * SECOND);
        pace.waits(true);
        assert!(pace.deadline() < 11 * SECOND);
        assert_eq!(pace.fault(), Some(Refused::Idle), "too early to tell");
        pace.waits(false);
        assert!(pace.deadline() > 59 * SECOND);
        assert_eq!(pace.fault(), None, "it is the backend that stands still");
    }

    #[test]
    fn a_connection_that_never_said_anything_is_at_fault_and_one_that_is_done_is_not() {
        let pace = pace();
        assert_eq!(pace.fault(), Some(Refused::Idle));
        pace.read(1);
        assert_eq!(pace.fault(), Some(Refused::HeaderTimeout));
        pace.request();
        pace.responded(Duration::from_secs(60));
        pace.finished();
        assert_eq!(pace.fault(), None);
    }
}
