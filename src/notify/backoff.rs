//! How long to wait after a failure, and for how long to try at all.

use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(300);
/// A request that nobody has taken by then is given up.
pub(super) const LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// The pause after so many failures in a row: from a second it doubles up to five minutes. `luck`, 0 to 1, takes up to
/// half of it away, so that many who wait for one server do not come back as one.
pub(super) fn pause(failures: u32, luck: f64) -> Duration {
    let factor = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
    FIRST.saturating_mul(factor).min(LONGEST).mul_f64(1.0 - luck.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_five_minutes_and_luck_halves_them_at_most() {
        let pauses: Vec<_> = (1..=11).map(|failures| pause(failures, 0.0).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(pause(1, 1.0), FIRST / 2);
        assert_eq!((pause(u32::MAX, 1.0), pause(0, 0.0)), (LONGEST / 2, FIRST));
    }
}
