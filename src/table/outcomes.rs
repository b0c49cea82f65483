//! What clients' requests have shown of a backend.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU32, AtomicU64};

/// One number for each outcome. The request path only adds; the controller samples.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Outcomes {
    passed: AtomicU64,
    failed: AtomicU64,
    in_a_row: AtomicU32,
}

/// The numbers at one moment. Both totals only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    pub passed: u64,
    pub failed: u64,
    /// Failures since the last success.
    pub in_a_row: u32,
}

impl Outcomes {
    #[inline]
    pub fn pass(&self) {
        self.passed.fetch_add(1, Relaxed);
        if self.in_a_row.load(Relaxed) != 0 {
            self.in_a_row.store(0, Relaxed);
        }
    }

    pub fn fail(&self) {
        self.failed.fetch_add(1, Relaxed);
        self.in_a_row.fetch_add(1, Relaxed);
    }

    pub fn sample(&self) -> Sample {
        Sample {
            passed: self.passed.load(Relaxed),
            failed: self.failed.load(Relaxed),
            in_a_row: self.in_a_row.load(Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_success_ends_a_row_of_failures() {
        let outcomes = Outcomes::default();
        outcomes.fail();
        outcomes.fail();
        assert_eq!(outcomes.sample(), Sample { passed: 0, failed: 2, in_a_row: 2 });
        outcomes.pass();
        assert_eq!(outcomes.sample(), Sample { passed: 1, failed: 2, in_a_row: 0 });
    }
}
