//! When a rule is broken and when that is over. Pure.
//!
//! - A value strictly beyond the threshold begins a run. A run that lasts as long as the rule says is a breach.
//! - A value that is not beyond the threshold ends a run: a shorter spike does nothing.
//! - A breach ends with the first value at `clear` or on its good side.
//! - The first such value of all says that the rule is kept: an earlier life may have told that it was broken.
//! - A sample that is missing says nothing: it neither begins nor ends a breach. A run lives through it if the next
//!   value comes within the patience; what nobody saw for longer did not hold.

use std::time::{Duration, Instant};

use crate::model::{Side, WatchRule};

/// One rule and where it stands.
#[derive(Debug)]
pub(super) struct Watch {
    side: Side,
    threshold: f64,
    clear: f64,
    hold: Duration,
    /// The longest time between two values of one run.
    patience: Duration,
    state: State,
    /// No value was good yet.
    new: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Calm,
    /// Every value of this time was beyond the threshold.
    Run {
        since: Instant,
        last: Instant,
    },
    Broken,
}

/// What a sample changed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Transition {
    /// With the value that made it one, and how long the run took.
    Breach {
        value: f64,
        lasted: Duration,
    },
    Recovered {
        value: f64,
    },
    /// The first good value, without a breach before it.
    Kept {
        value: f64,
    },
}

impl Watch {
    /// `interval` is the time between two samples.
    pub(super) fn new(rule: &WatchRule, interval: Duration) -> Self {
        let WatchRule { side, threshold, clear, hold, .. } = *rule;
        Self { side, threshold, clear, hold, patience: hold.max(interval * 3), state: State::Calm, new: true }
    }

    /// Takes in what the metric is at a moment; `None`: nobody knows. Moments must not go back.
    pub(super) fn judge(&mut self, sample: Option<f64>, now: Instant) -> Option<Transition> {
        let value = sample.filter(|value| value.is_finite())?;
        let first = self.new && self.is_good(value);
        self.new &= !first;
        match self.state {
            State::Broken if self.is_good(value) => {
                self.state = State::Calm;
                Some(Transition::Recovered { value })
            }
            State::Broken => None,
            State::Calm | State::Run { .. } if !self.is_bad(value) => {
                self.state = State::Calm;
                first.then_some(Transition::Kept { value })
            }
            State::Run { since, last } if now.saturating_duration_since(last) <= self.patience => {
                self.go_on(value, since, now)
            }
            State::Calm | State::Run { .. } => self.go_on(value, now, now),
        }
    }

    /// A run from `since` on goes on now.
    fn go_on(&mut self, value: f64, since: Instant, now: Instant) -> Option<Transition> {
        let lasted = now.saturating_duration_since(since);
        if lasted < self.hold {
            self.state = State::Run { since, last: now };
            return None;
        }
        self.state = State::Broken;
        Some(Transition::Breach { value, lasted })
    }

    /// A breach that stood before this agent began stands until a value ends it. Whether that is new here.
    pub(super) fn adopt(&mut self) -> bool {
        let new = self.state != State::Broken;
        self.state = State::Broken;
        new
    }

    fn is_bad(&self, value: f64) -> bool {
        match self.side {
            Side::Above => value > self.threshold,
            Side::Below => value < self.threshold,
        }
    }

    fn is_good(&self, value: f64) -> bool {
        match self.side {
            Side::Above => value <= self.clear,
            Side::Below => value >= self.clear,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{HostMetric, Severity, WatchActions};

    const SECOND: Duration = Duration::from_secs(1);

    fn watch(side: Side, threshold: f64, clear: f64, hold: u64) -> Watch {
        let actions = WatchActions { service: None, alert: None, ways: Vec::new() };
        let (name, metric, severity) = ("cpu".into(), HostMetric::Cpu, Severity::Warning);
        let hold = Duration::from_secs(hold);
        Watch::new(&WatchRule { name, metric, side, threshold, clear, hold, severity, actions }, SECOND)
    }

    /// One sample a second; tells when what changed: `!` a breach, `-` a recovery.
    fn story(watch: &mut Watch, samples: &[Option<f64>]) -> String {
        let start = Instant::now();
        let judged = samples.iter().enumerate().map(|(second, sample)| {
            match watch.judge(*sample, start + SECOND * u32::try_from(second).unwrap()) {
                None | Some(Transition::Kept { .. }) => '.',
                Some(Transition::Breach { .. }) => '!',
                Some(Transition::Recovered { .. }) => '-',
            }
        });
        judged.collect()
    }

    fn values(values: &[f64]) -> Vec<Option<f64>> {
        values.iter().copied().map(Some).collect()
    }

    #[test]
    fn above_45_is_strictly_above() {
        for (value, broken) in [(5.0, "..."), (45.0, "..."), (45.1, "..!"), (100.0, "..!")] {
            assert_eq!(story(&mut watch(Side::Above, 45.0, 45.0, 2), &values(&[value; 3])), broken, "{value}");
        }
        for (value, broken) in [(5.0, "..!"), (44.9, "..!"), (45.0, "..."), (100.0, "...")] {
            assert_eq!(story(&mut watch(Side::Below, 45.0, 45.0, 2), &values(&[value; 3])), broken, "{value}");
        }
    }

    #[test]
    fn a_spike_that_is_shorter_than_it_has_to_hold_does_nothing() {
        let samples = values(&[90.0, 90.0, 90.0, 45.0, 90.0, 90.0, 90.0, 5.0]);
        assert_eq!(story(&mut watch(Side::Above, 45.0, 45.0, 3), &samples), "........");
        assert_eq!(story(&mut watch(Side::Above, 45.0, 45.0, 0), &samples), "!..-!..-", "nothing to wait for");
    }

    #[test]
    fn a_breach_ends_where_the_rule_says_and_not_at_its_threshold() {
        let samples = values(&[90.0, 90.0, 44.0, 40.1, 46.0, 40.0, 44.0, 46.0, 46.0]);
        assert_eq!(story(&mut watch(Side::Above, 45.0, 40.0, 1), &samples), ".!...-..!");
        let samples = values(&[90.0, 90.0, 45.1, 45.0]);
        assert_eq!(story(&mut watch(Side::Above, 45.0, 45.0, 1), &samples), ".!.-");
        let samples = values(&[9.0, 9.0, 12.0, 14.9, 15.0]);
        assert_eq!(story(&mut watch(Side::Below, 10.0, 15.0, 1), &samples), ".!..-");
    }

    #[test]
    fn a_missing_sample_neither_begins_nor_ends_anything() {
        let bad = Some(90.0);
        let samples = [None, bad, None, None, bad, None, None, None, Some(5.0)];
        assert_eq!(story(&mut watch(Side::Above, 45.0, 45.0, 3), &samples), "....!...-");
        assert_eq!(story(&mut watch(Side::Above, 45.0, 45.0, 0), &[Some(f64::NAN), None]), "..");
        let samples = [bad, None, None, None, bad, bad, bad, bad];
        assert_eq!(story(&mut watch(Side::Above, 45.0, 45.0, 3), &samples), ".......!", "too long in the dark");
    }

    #[test]
    fn a_breach_from_before_stands_until_a_value_ends_it() {
        let mut rule = watch(Side::Above, 45.0, 40.0, 60);
        assert!(rule.adopt() && !rule.adopt());
        assert_eq!(story(&mut rule, &[None, Some(42.0), Some(90.0), Some(40.0)]), "...-");
    }

    #[test]
    fn the_first_good_value_of_a_life_without_a_breach_is_told_once() {
        let (mut rule, start) = (watch(Side::Above, 45.0, 40.0, 9), Instant::now());
        let mut judge = |second, value| rule.judge(Some(value), start + SECOND * second);
        assert_eq!([judge(0, 90.0), judge(1, 42.0)], [None, None], "not beyond it, and not good");
        assert_eq!([judge(2, 40.0), judge(3, 40.0)], [Some(Transition::Kept { value: 40.0 }), None]);
        let mut broken = watch(Side::Above, 45.0, 40.0, 0);
        let told = [90.0, 5.0, 5.0].map(|value| broken.judge(Some(value), start));
        assert!(
            matches!(told, [Some(Transition::Breach { .. }), Some(Transition::Recovered { .. }), None]),
            "{told:?}"
        );
    }

    #[test]
    fn a_breach_tells_its_value_and_how_long_it_held() {
        let (mut rule, start) = (watch(Side::Above, 45.0, 45.0, 2), Instant::now());
        assert_eq!(rule.judge(Some(50.0), start), None);
        let breach = rule.judge(Some(83.0), start + SECOND * 2);
        assert_eq!(breach, Some(Transition::Breach { value: 83.0, lasted: SECOND * 2 }));
    }

    proptest! {
        #[test]
        fn breaches_and_recoveries_take_turns_and_a_breach_had_a_full_run(
            samples in proptest::collection::vec(proptest::option::of(0.0..100.0_f64), 0..200),
            hold in 0_u64..6,
        ) {
            let mut rule = watch(Side::Above, 45.0, 40.0, hold);
            let story = story(&mut rule, &samples);
            let mut broken = false;
            for (at, change) in story.char_indices().filter(|(_, change)| *change != '.') {
                prop_assert_eq!(change == '!', !broken);
                broken = !broken;
                if change == '!' {
                    let run = &samples[at.saturating_sub(usize::try_from(hold).unwrap())..=at];
                    prop_assert!(run.iter().flatten().all(|value| *value > 45.0), "{:?}", run);
                }
            }
        }
    }
}
