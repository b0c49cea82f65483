//! How many retries from stable to stable may run at one time.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// Counts the retries that run. Shared by all snapshots of a service.
#[derive(Debug, Default)]
pub struct Budget {
    running: AtomicU32,
    /// Touched only by requests that failed.
    freed: Notify,
}

/// The right to one retry, for as long as it lives.
#[derive(Debug)]
pub struct BudgetSeat(Arc<Budget>);

impl Budget {
    /// A seat while fewer than `percent` of the `active` requests are retries, and always while fewer than `min` are.
    pub fn take(self: &Arc<Self>, active: u64, percent: u32, min: u32) -> Option<BudgetSeat> {
        let share = u32::try_from(active.saturating_mul(u64::from(percent)) / 100).unwrap_or(u32::MAX);
        let most = share.max(min);
        let taken = self.running.fetch_update(Relaxed, Relaxed, |running| (running < most).then_some(running + 1));
        taken.is_ok().then(|| BudgetSeat(self.clone()))
    }

    /// Ready when a seat is given back after this call, for one of those that wait, or once if one was given back while
    /// nobody waited. Cancel safe.
    pub fn freed(&self) -> Notified<'_> {
        self.freed.notified()
    }
}

impl Drop for BudgetSeat {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Relaxed);
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_the_active_requests_and_a_few_always() {
        let budget = Arc::new(Budget::default());
        let few: Vec<_> = std::iter::from_fn(|| budget.take(1, 20, 3)).collect();
        assert_eq!(few.len(), 3);
        let more: Vec<_> = std::iter::from_fn(|| budget.take(50, 20, 3)).collect();
        assert_eq!(more.len(), 7);
        drop((few, more));
        assert!(budget.take(0, 20, 3).is_some());
    }
}
