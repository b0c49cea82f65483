//! When a canary is given up for good: it was ejected so often within so long.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::control::keepsake::since_1970;
use crate::model::RollbackSpec;

/// The record of one canary. Times are in milliseconds since 1970: the process after this one goes on with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::control) struct Rollback {
    /// Ejections that count, the latest last. No more than the rule asks for.
    times: VecDeque<u64>,
    /// The hook was called for this canary.
    called: bool,
    /// Since when the canary is admitted, after the hook was called.
    admitted: Option<u64>,
    /// Of stable and the canary, as they were last.
    weights: Option<[u32; 2]>,
}

impl Rollback {
    /// One more ejection, or failed trial. `true`: the hook is to be called. Once: until the canary has
    /// [proved itself](Self::look) or [its weights](Self::see) are other ones.
    pub(super) fn ejected(&mut self, spec: &RollbackSpec, now: SystemTime) -> bool {
        self.admitted = None;
        if self.called {
            return false;
        }
        let (now, within) = (since_1970(now), millis(spec.within));
        self.times.push_back(now);
        self.times.retain(|at| now.saturating_sub(*at) < within);
        self.called = self.times.len() >= spec.ejections.get() as usize;
        if self.called {
            self.times.clear();
        }
        self.called
    }

    /// To be called after each event: a canary that stayed admitted for as long as the rule looks back is a good one.
    pub(super) fn look(&mut self, spec: &RollbackSpec, admitted: bool, now: SystemTime) {
        if !self.called || !admitted {
            self.admitted = None;
            return;
        }
        let now = since_1970(now);
        let since = *self.admitted.get_or_insert(now);
        if now.saturating_sub(since) >= millis(spec.within) {
            *self = Self { weights: self.weights, ..Self::default() };
        }
    }

    /// Whoever has changed its weights knows, or has brought another version: from there on all begins anew.
    pub(super) fn see(&mut self, weights: [u32; 2]) {
        if self.weights.is_some_and(|before| before != weights) {
            *self = Self::default();
        }
        self.weights = Some(weights);
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::model::WebhookSettings;

    fn spec(ejections: u32) -> RollbackSpec {
        let hook = WebhookSettings {
            url: "http://deploy.test/".to_owned(),
            secret: None,
            events: Vec::new(),
            timeout: Duration::from_secs(1),
        };
        RollbackSpec { hook, ejections: NonZeroU32::new(ejections).unwrap(), within: Duration::from_secs(600) }
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn the_hook_is_called_at_the_last_ejection_that_is_needed_and_not_again() {
        let mut rollback = Rollback::default();
        let called: Vec<_> = (0..6).map(|second| rollback.ejected(&spec(3), at(second))).collect();
        assert_eq!(called, [false, false, true, false, false, false]);
        assert!(Rollback::default().ejected(&spec(1), at(0)));
    }

    #[test]
    fn ejections_that_lie_too_far_apart_do_not_count() {
        let mut rollback = Rollback::default();
        let called: Vec<_> =
            [0, 300, 600, 900, 1100].map(|second| rollback.ejected(&spec(3), at(second))).into_iter().collect();
        assert_eq!(called, [false, false, false, false, true], "those of 600, 900 and 1100");
    }

    #[test]
    fn a_canary_that_stayed_or_other_weights_let_it_be_called_again() {
        let mut called = Rollback::default();
        assert!(called.ejected(&spec(1), at(0)));
        let mut rollback = called.clone();
        rollback.look(&spec(1), true, at(1));
        rollback.look(&spec(1), true, at(600));
        assert!(!rollback.clone().ejected(&spec(1), at(600)), "not for long enough");
        rollback.look(&spec(1), false, at(600));
        rollback.look(&spec(1), true, at(700));
        rollback.look(&spec(1), true, at(1299));
        assert!(!rollback.clone().ejected(&spec(1), at(1299)), "not without a break");
        rollback.look(&spec(1), true, at(1300));
        assert!(rollback.ejected(&spec(1), at(1300)));
        called.see([2, 1]);
        assert!(!called.ejected(&spec(1), at(1)), "these are no other ones");
        called.see([9, 1]);
        assert!(called.ejected(&spec(1), at(1)));
    }
}
