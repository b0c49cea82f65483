//! One number with a limit.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

/// On a cache line of its own: every worker writes it.
#[derive(Debug)]
#[repr(align(128))]
pub(in crate::proxy) struct Count {
    taken: AtomicU32,
    limit: u32,
}

impl Count {
    pub(super) fn new(limit: u32) -> Self {
        // So that what is tried above the limit can't overflow.
        Self { taken: AtomicU32::new(0), limit: limit.min(u32::MAX / 2) }
    }

    /// Counts one more, who has to [`Self::leave`]. False: the limit is reached, and nothing is counted.
    #[inline]
    pub(in crate::proxy) fn enter(&self) -> bool {
        let entered = self.taken.fetch_add(1, Relaxed) < self.limit;
        if !entered {
            self.leave();
        }
        entered
    }

    #[inline]
    pub(in crate::proxy) fn leave(&self) {
        self.taken.fetch_sub(1, Relaxed);
    }
}

/// Somebody is in a [`Count`], for as long as this lives.
#[derive(Debug)]
pub(in crate::proxy) struct Stay(Arc<Count>);

impl Stay {
    /// `None`: the limit is reached.
    pub(in crate::proxy) fn begin(count: &Arc<Count>) -> Option<Self> {
        count.enter().then(|| Self(count.clone()))
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        self.0.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_stays_as_the_limit_says() {
        for limit in [0, 1, 3] {
            let count = Arc::new(Count::new(limit));
            let stays: Vec<_> = std::iter::from_fn(|| Stay::begin(&count)).collect();
            assert_eq!(stays.len(), limit as usize);
            drop(stays);
            assert_eq!(Stay::begin(&count).is_some(), limit > 0);
        }
    }
}
