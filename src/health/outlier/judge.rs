//! When live traffic takes a backend out.

use std::fmt;

use super::{Counts, Window};
use crate::model::OutlierSpec;

/// What live traffic holds against a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offence {
    /// So many failures without a success between.
    InARow(u32),
    /// Too few of these passed.
    Share(Counts),
}

/// The verdict on one window; `None`: nothing to hold against it.
pub fn judge(spec: &OutlierSpec, window: &Window) -> Option<Offence> {
    let row = window.in_a_row();
    if spec.consecutive > 0 && row >= spec.consecutive {
        return Some(Offence::InARow(row));
    }
    let counts = window.counts();
    too_few_pass(spec, counts).then_some(Offence::Share(counts))
}

/// Whether enough requests ended to say that too few of them passed.
pub fn too_few_pass(spec: &OutlierSpec, counts: Counts) -> bool {
    let total = u128::from(counts.total());
    let enough = total > 0 && total >= u128::from(spec.min_requests);
    enough && u128::from(counts.passed) * 100 < total * u128::from(spec.success_percent)
}

impl fmt::Display for Offence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InARow(row) => write!(f, "{row} failures in a row"),
            Self::Share(counts) => write!(f, "{} of {} requests failed", counts.failed, counts.total()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::table::Sample;

    fn spec(consecutive: u32, success_percent: u32) -> OutlierSpec {
        OutlierSpec {
            consecutive,
            success_percent,
            window: Duration::from_secs(10),
            min_requests: 20,
            max_ejected_percent: 20,
            base_ejection: Duration::from_secs(1),
            max_ejection: Duration::from_secs(300),
        }
    }

    fn verdict(spec: &OutlierSpec, passed: u64, failed: u64, in_a_row: u32) -> Option<Offence> {
        let now = Instant::now();
        let mut window = Window::new(spec.window, Sample::default(), now);
        window.observe(Sample { passed, failed, in_a_row }, now + Duration::from_secs(1));
        judge(spec, &window)
    }

    #[test]
    fn a_row_ejects_however_many_passed_before() {
        assert_eq!(verdict(&spec(5, 90), 1000, 4, 4), None);
        assert_eq!(verdict(&spec(5, 90), 1000, 5, 5), Some(Offence::InARow(5)));
    }

    #[test]
    fn a_share_counts_only_with_enough_requests() {
        assert_eq!(verdict(&spec(5, 90), 16, 3, 0), None, "19 requests");
        assert_eq!(verdict(&spec(5, 90), 18, 2, 0), None, "90 % is enough");
        let shown = verdict(&spec(5, 90), 17, 3, 0);
        assert_eq!(shown, Some(Offence::Share(Counts { passed: 17, failed: 3 })));
        assert_eq!(shown.unwrap().to_string(), "3 of 20 requests failed");
    }

    #[test]
    fn zero_switches_a_rule_off() {
        assert_eq!(verdict(&spec(0, 0), 0, 1000, 1000), None);
        assert!(!too_few_pass(&OutlierSpec { min_requests: 0, ..spec(0, 90) }, Counts::default()));
    }
}
