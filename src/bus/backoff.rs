//! How long to wait before the next attempt to connect.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(10);
const CAP: Duration = Duration::from_millis(250);

/// Delays that double up to the cap, with jitter, so that many balancers do not come back as one.
pub(super) struct Backoff {
    ceiling: Duration,
}

impl Backoff {
    pub(super) fn new() -> Self {
        Self { ceiling: FIRST }
    }

    /// An attempt succeeded.
    pub(super) fn reset(&mut self) {
        self.ceiling = FIRST;
    }

    /// The delay before the next attempt; `luck` is 0 to 1.
    pub(super) fn next(&mut self, luck: f64) -> Duration {
        let ceiling = self.ceiling;
        self.ceiling = (ceiling * 2).min(CAP);
        ceiling.mul_f64(0.5 + luck.clamp(0.0, 1.0) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_a_quarter_of_a_second_and_start_again_after_a_success() {
        let mut backoff = Backoff::new();
        let delays: Vec<u128> = (0..8).map(|_| backoff.next(1.0).as_millis()).collect();
        assert_eq!(delays, [10, 20, 40, 80, 160, 250, 250, 250]);
        assert_eq!(backoff.next(0.0), CAP / 2);
        backoff.reset();
        assert_eq!(backoff.next(1.0), FIRST);
    }
}
