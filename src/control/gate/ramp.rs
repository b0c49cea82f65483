//! How the share of a canary grows after it came back.

use std::time::{Duration, Instant};

/// Steps to the full share.
pub(in crate::control) const STEPS: u32 = 10;

/// Linear growth from one tenth of the share to all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::control) struct Ramp {
    since: Instant,
    span: Duration,
}

impl Ramp {
    /// `None`: the canary has its share at once.
    pub(in crate::control) fn new(span: Duration, now: Instant) -> Option<Self> {
        (!span.is_zero()).then_some(Self { since: now, span })
    }

    /// For how long it has grown, in milliseconds.
    pub(in crate::control) fn grown(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.since).as_millis()).unwrap_or(u64::MAX)
    }

    /// One that began so many milliseconds ago; `None` when it is over.
    pub(in crate::control) fn restored(grown: u64, span: Duration, now: Instant) -> Option<Self> {
        let grown = Duration::from_millis(grown);
        let since = now.checked_sub(grown).filter(|_| grown < span)?;
        Some(Self { since, span })
    }

    /// Tenths of the share, 1 to [`STEPS`].
    pub(in crate::control) fn tenths(&self, now: Instant) -> u32 {
        let grown =
            now.saturating_duration_since(self.since).as_nanos() * u128::from(STEPS) / self.span.as_nanos().max(1);
        u32::try_from(grown).unwrap_or(STEPS).saturating_add(1).min(STEPS)
    }
}

/// Weights of stable and canary that give the canary exactly `tenths` tenths of its share.
///
/// Of weights up to 1000 each they are at most 20 000 together, which a schedule takes.
pub(in crate::control) fn scaled(stable: u32, canary: u32, tenths: u32) -> [u32; 2] {
    match tenths {
        STEPS.. => [stable, canary],
        _ => [STEPS * (stable + canary) - tenths * canary, tenths * canary],
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::Weight;
    use crate::table::Schedule;

    #[test]
    fn it_grows_by_a_tenth_at_a_time() {
        let now = Instant::now();
        let ramp = Ramp::new(Duration::from_secs(20), now).unwrap();
        let at = |seconds| ramp.tenths(now + Duration::from_secs(seconds));
        assert_eq!([at(0), at(1), at(2), at(3), at(10), at(17), at(18), at(1000)], [1, 1, 2, 2, 6, 9, 10, 10]);
        assert_eq!(Ramp::new(Duration::ZERO, now), None);
    }

    #[test]
    fn a_tenth_of_one_third_is_one_thirtieth() {
        assert_eq!(scaled(2, 1, 1), [29, 1]);
        assert_eq!(scaled(2, 1, 5), [25, 5]);
        assert_eq!(scaled(2, 1, 10), [2, 1]);
        assert_eq!(scaled(0, 1, 1), [9, 1], "a canary that has it all begins with a tenth too");
    }

    proptest! {
        #[test]
        fn there_is_a_schedule_for_every_step(
            stable in 0..=u32::from(Weight::MAX),
            canary in 1..=u32::from(Weight::MAX),
            tenths in 1..=STEPS,
        ) {
            let weights = scaled(stable, canary, tenths);
            prop_assert!(Schedule::new(&weights).is_some());
            prop_assert!(weights[1] > 0);
        }
    }
}
