//! So many mails an hour and no more.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

const HOUR: u64 = 3_600_000;

/// When mails went out within the last hour, in milliseconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Rate(VecDeque<u64>);

impl Rate {
    /// From when on one more may go.
    pub(super) fn free_at(&self, hourly: u32, now: u64) -> u64 {
        let hourly = usize::try_from(hourly).unwrap_or(usize::MAX).max(1);
        // A time that is still to come is of a clock that was set back: it must hold no mail.
        let recent: Vec<u64> = self.0.iter().copied().filter(|at| *at <= now && now - at < HOUR).collect();
        match recent.len().checked_sub(hourly) {
            Some(oldest) => recent[oldest] + HOUR,
            None => now,
        }
    }

    pub(super) fn count(&mut self, now: u64) {
        self.0.retain(|at| at.abs_diff(now) < HOUR);
        self.0.push_back(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mail_above_the_limit_waits_until_the_oldest_is_an_hour_old() {
        let mut rate = Rate::default();
        for at in [10_000, 20_000] {
            assert_eq!(rate.free_at(2, at), at);
            rate.count(at);
        }
        assert_eq!(rate.free_at(2, 30_000), 10_000 + HOUR);
        assert_eq!(rate.free_at(2, 10_000 + HOUR), 10_000 + HOUR);
        rate.count(10_000 + HOUR);
        assert_eq!(rate.free_at(2, 10_000 + HOUR), 20_000 + HOUR);
        assert_eq!(rate.free_at(3, 10_000 + HOUR), 10_000 + HOUR);
    }

    #[test]
    fn a_clock_that_was_set_back_holds_no_mail() {
        let mut rate = Rate::default();
        rate.count(50 * HOUR);
        assert_eq!(rate.free_at(1, HOUR), HOUR);
        rate.count(u64::MAX);
        assert_eq!(rate.free_at(1, HOUR), HOUR);
        (0..10).for_each(|_| rate.count(HOUR));
        assert_eq!(rate.0.len(), 10, "what is no part of this hour is forgotten");
    }
}
