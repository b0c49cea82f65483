//! A pace to test with.

use std::sync::Arc;
use std::time::Duration;

use super::Pace;

pub(super) const SECOND: u64 = 1_000_000_000;

pub(super) fn pace() -> Arc<Pace> {
    Arc::new(Pace::new(Duration::from_secs(60), Duration::from_secs(10)))
}
