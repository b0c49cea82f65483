//! The counts of a while that slides along.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::table::Sample;

/// The window slides in so many steps.
const STEPS: u32 = 20;

/// Requests that ended within a while.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub passed: u64,
    pub failed: u64,
}

impl Counts {
    pub fn total(self) -> u64 {
        self.passed.saturating_add(self.failed)
    }

    pub fn plus(self, other: Self) -> Self {
        Self { passed: self.passed.saturating_add(other.passed), failed: self.failed.saturating_add(other.failed) }
    }
}

/// What ended within the last `span`, by totals that only grow. Nothing before its start, or before it was last started
/// again, counts. It keeps at most a few more totals than it has steps.
#[derive(Clone, Debug)]
pub struct Window {
    span: Duration,
    /// Totals at some moments, the oldest first; the first is where the window begins.
    marks: VecDeque<(Instant, Counts)>,
    /// Failures before the start.
    before: u64,
    last: Sample,
}

impl Window {
    pub fn new(span: Duration, sample: Sample, now: Instant) -> Self {
        let mut window = Self { span, marks: VecDeque::new(), before: 0, last: sample };
        window.restart(sample, now);
        window
    }

    /// Forgets everything up to `sample`, the row of failures too.
    pub fn restart(&mut self, sample: Sample, now: Instant) {
        self.before = sample.failed;
        self.last = sample;
        self.marks.clear();
        self.marks.push_back((now, totals(sample)));
    }

    pub fn observe(&mut self, sample: Sample, now: Instant) {
        self.last = sample;
        let age = |at: &Instant| now.saturating_duration_since(*at);
        if self.marks.back().is_none_or(|(at, _)| age(at) >= self.span / STEPS) {
            self.marks.push_back((now, totals(sample)));
        }
        while self.marks.get(1).is_some_and(|(at, _)| age(at) >= self.span) {
            self.marks.pop_front();
        }
    }

    pub fn counts(&self) -> Counts {
        let (last, first) = (totals(self.last), self.marks.front().map(|(_, first)| *first).unwrap_or_default());
        Counts { passed: last.passed.saturating_sub(first.passed), failed: last.failed.saturating_sub(first.failed) }
    }

    /// Failures since the last success, as far as they came after the start. Not bound by the span.
    pub fn in_a_row(&self) -> u32 {
        let since = self.last.failed.saturating_sub(self.before);
        self.last.in_a_row.min(u32::try_from(since).unwrap_or(u32::MAX))
    }
}

fn totals(sample: Sample) -> Counts {
    Counts { passed: sample.passed, failed: sample.failed }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SPAN: Duration = Duration::from_secs(10);

    fn sample(passed: u64, failed: u64, in_a_row: u32) -> Sample {
        Sample { passed, failed, in_a_row }
    }

    #[test]
    fn what_is_older_than_the_span_does_not_count() {
        let start = Instant::now();
        let mut window = Window::new(SPAN, Sample::default(), start);
        window.observe(sample(10, 5, 0), start + Duration::from_secs(1));
        window.observe(sample(12, 5, 0), start + Duration::from_secs(6));
        assert_eq!(window.counts(), Counts { passed: 12, failed: 5 });
        window.observe(sample(12, 6, 1), start + Duration::from_secs(11));
        assert_eq!(window.counts(), Counts { passed: 2, failed: 1 });
        window.observe(sample(12, 6, 1), start + Duration::from_secs(21));
        assert_eq!(window.counts(), Counts::default());
        assert_eq!(window.in_a_row(), 1, "a row has no age");
    }

    #[test]
    fn a_window_that_starts_again_is_empty_and_so_is_its_row() {
        let start = Instant::now();
        let mut window = Window::new(SPAN, Sample::default(), start);
        window.observe(sample(0, 7, 7), start + Duration::from_secs(1));
        assert_eq!(window.in_a_row(), 7);
        window.restart(sample(0, 7, 7), start + Duration::from_secs(2));
        assert_eq!((window.counts(), window.in_a_row()), (Counts::default(), 0));
        window.observe(sample(0, 9, 9), start + Duration::from_secs(3));
        assert_eq!((window.counts().failed, window.in_a_row()), (2, 2));
    }

    proptest! {
        #[test]
        fn it_never_counts_more_than_ended_nor_less_than_within_the_span(
            steps in prop::collection::vec((0..2_000_u64, 0..50_u64, 0..50_u64), 1..200),
        ) {
            let start = Instant::now();
            let mut window = Window::new(SPAN, Sample::default(), start);
            let (mut now, mut total) = (start, sample(0, 0, 0));
            let mut ended = Vec::new();
            for (pause, passed, failed) in steps {
                now += Duration::from_millis(pause);
                total = sample(total.passed + passed, total.failed + failed, 0);
                ended.push((now, passed + failed));
                window.observe(total, now);
                let since = |age: Duration| -> u64 {
                    ended.iter().filter(|(at, _)| now - *at < age).map(|(_, count)| count).sum()
                };
                // A mark is at most a step and a pause older than it should be.
                let slack = SPAN / STEPS + Duration::from_secs(2);
                let counted = window.counts().total();
                prop_assert!(counted >= since(SPAN) && counted <= since(SPAN + slack), "{counted}");
                prop_assert!(window.marks.len() <= STEPS as usize + 2);
            }
        }
    }
}
