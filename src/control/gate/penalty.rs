//! How long live traffic keeps something out: longer each time, and forgotten after a quiet while.

use std::time::{Duration, Instant};

use crate::control::keepsake::{KeptPenalty, left_until, since_1970};
use crate::control::moment::Moment;
use crate::model::OutlierSpec;

/// A step is forgotten after at least twice this long without an ejection.
const SHORTEST_QUIET: Duration = Duration::from_secs(10);

/// Steps that another process may hand over: no penalty grows with more.
const MOST: u32 = 32;

/// The record of one backend, or of one canary.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::control) struct Penalty {
    /// Ejections that are not forgotten.
    count: u32,
    /// When the penalty that runs is over.
    until: Option<Instant>,
    /// Since when nothing was held against it, up to the last step that was forgotten.
    quiet_since: Option<Instant>,
}

impl Penalty {
    /// One more ejection. `chance`, 0 to 1, moves the end by a tenth to either side, so that balancers do not return in
    /// step; never beyond the maximum. Gives the length.
    pub(in crate::control) fn impose(&mut self, spec: &OutlierSpec, now: Instant, chance: f64) -> Duration {
        let length = nominal(spec, self.count).mul_f64(0.9 + 0.2 * chance.clamp(0.0, 1.0)).min(spec.max_ejection);
        self.count = self.count.saturating_add(1);
        self.until = Some(now + length);
        self.quiet_since = None;
        length
    }

    /// The same for the process that takes the place of this one.
    pub(in crate::control) fn kept(&self, now: Moment) -> KeptPenalty {
        KeptPenalty { count: self.count, until: self.remaining(now.at).map(|left| since_1970(now.wall + left)) }
    }

    /// What was kept, within what is possible here.
    pub(in crate::control) fn restored(kept: KeptPenalty, spec: &OutlierSpec, now: Moment) -> Self {
        let until = kept.until.map(|until| now.at + left_until(until, now.wall).min(spec.max_ejection));
        Self { count: kept.count.min(MOST), until, quiet_since: None }
    }

    /// Whether a penalty was imposed and not lifted.
    pub(in crate::control) fn stands(&self) -> bool {
        self.until.is_some()
    }

    pub(in crate::control) fn is_over(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| until <= now)
    }

    /// What is left of the one that stands.
    pub(in crate::control) fn remaining(&self, now: Instant) -> Option<Duration> {
        self.until.map(|until| until.saturating_duration_since(now))
    }

    /// Ends the one that stands; it counts all the same.
    pub(in crate::control) fn lift(&mut self) {
        self.until = None;
    }

    /// To be called now and then. `serving`: it gets traffic, so that being quiet means something.
    pub(in crate::control) fn calm(&mut self, spec: &OutlierSpec, serving: bool, now: Instant) {
        let (true, Some(last)) = (serving, self.count.checked_sub(1)) else {
            self.quiet_since = None;
            return;
        };
        let since = *self.quiet_since.get_or_insert(now);
        if now.saturating_duration_since(since) >= 2 * nominal(spec, last).max(SHORTEST_QUIET) {
            self.count = last;
            self.quiet_since = Some(now);
        }
    }
}

/// The length after `count` ejections before it.
fn nominal(spec: &OutlierSpec, count: u32) -> Duration {
    let factor = 1_u32.checked_shl(count).unwrap_or(u32::MAX);
    spec.base_ejection.saturating_mul(factor).min(spec.max_ejection)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn spec() -> OutlierSpec {
        crate::control::specimen::service((1, &[]), (1, &[])).outlier
    }

    #[test]
    fn each_ejection_lasts_twice_as_long_up_to_the_maximum() {
        let mut penalty = Penalty::default();
        let now = Instant::now();
        let lengths: Vec<_> = (0..11).map(|_| penalty.impose(&spec(), now, 0.5).as_secs()).collect();
        assert_eq!(lengths, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    }

    #[test]
    fn it_is_over_when_its_time_has_passed() {
        let mut penalty = Penalty::default();
        let now = Instant::now();
        assert!(penalty.is_over(now) && !penalty.stands());
        let length = penalty.impose(&spec(), now, 0.0);
        assert_eq!((length, penalty.remaining(now)), (SECOND * 9 / 10, Some(length)));
        assert!(penalty.stands() && !penalty.is_over(now) && penalty.is_over(now + length));
        penalty.lift();
        assert!(!penalty.stands() && penalty.is_over(now));
    }

    #[test]
    fn a_quiet_while_forgets_one_step_at_a_time_and_only_in_traffic() {
        let mut penalty = Penalty::default();
        let mut now = Instant::now();
        for _ in 0..2 {
            penalty.impose(&spec(), now, 0.5);
        }
        penalty.calm(&spec(), false, now + SECOND * 3600);
        assert_eq!(penalty.count, 2);
        penalty.calm(&spec(), true, now);
        penalty.calm(&spec(), true, now + SECOND * 19);
        assert_eq!(penalty.count, 2);
        now += SECOND * 20;
        penalty.calm(&spec(), true, now);
        assert_eq!(penalty.count, 1);
        penalty.calm(&spec(), true, now + SECOND * 20);
        assert_eq!(penalty.count, 0);
        assert_eq!(penalty.impose(&spec(), now, 0.5), SECOND);
    }

    proptest! {
        #[test]
        fn whatever_happens_a_penalty_is_within_a_tenth_of_its_step(count in 0..100_u32, chance in 0.0..1.0_f64) {
            let mut penalty = Penalty { count, ..Penalty::default() };
            let length = penalty.impose(&spec(), Instant::now(), chance);
            let asked = nominal(&spec(), count);
            prop_assert!(length >= asked.mul_f64(0.899) && length <= asked.mul_f64(1.101).min(spec().max_ejection));
        }
    }
}
