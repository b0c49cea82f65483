//! When something happens, as the rules are told it.

use std::time::{Instant, SystemTime};

/// The time of an event on both clocks, and the chance that its decisions may use. Rules never ask for either.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) at: Instant,
    pub(super) wall: SystemTime,
    /// 0 to 1.
    pub(super) chance: f64,
}

impl Moment {
    pub(super) fn now() -> Self {
        Self { at: Instant::now(), wall: SystemTime::now(), chance: fastrand::f64() }
    }
}
