//! Whether a client that is waited for moves its bytes fast enough.
//!
//! Only the time counts in which the balancer waits for the client, not the time in which the backend makes both wait:
//! a slow backend, a long poll and a stream of events are nobody's fault.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// So long nobody is too slow, in nanoseconds of waiting.
const GRACE: u64 = 10_000_000_000;
const SECOND: u64 = 1_000_000_000;
/// In place of a moment: nobody waits.
const NEVER: u64 = u64::MAX;

/// One body, in one direction. All times are nanoseconds on the clock of its [`Pace`](super::pace::Pace), and only the
/// connection's own task reads and writes it.
#[derive(Debug)]
pub(super) struct Flow {
    /// Bytes per second; 0: any.
    rate: u64,
    /// Since when the client is waited for.
    since: AtomicU64,
    /// How long it was, before that.
    waited: AtomicU64,
    /// What it has moved.
    bytes: AtomicU64,
}

impl Flow {
    pub(super) fn new(rate: u32) -> Self {
        Self { rate: rate.into(), since: AtomicU64::new(NEVER), waited: AtomicU64::new(0), bytes: AtomicU64::new(0) }
    }

    /// For another body at the same rate.
    pub(super) fn another(&self) -> Self {
        Self { rate: self.rate, ..Self::new(0) }
    }

    /// Another body begins.
    pub(super) fn begin(&self) {
        self.since.store(NEVER, Relaxed);
        self.waited.store(0, Relaxed);
        self.bytes.store(0, Relaxed);
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.since.load(Relaxed) != NEVER
    }

    /// The client is waited for from `now` on.
    pub(super) fn wait(&self, now: u64) {
        self.since.store(now, Relaxed);
    }

    /// The client is not waited for any more.
    pub(super) fn go_on(&self, now: u64) {
        let since = self.since.swap(NEVER, Relaxed);
        self.waited.store(self.waited.load(Relaxed) + now.saturating_sub(since), Relaxed);
    }

    pub(super) fn moved(&self, bytes: usize) {
        self.bytes.store(self.bytes.load(Relaxed) + bytes as u64, Relaxed);
    }

    /// When the client is too slow, if it moves nothing more until then.
    pub(super) fn deadline(&self) -> u64 {
        let since = self.since.load(Relaxed);
        if self.rate == 0 || since == NEVER {
            return NEVER;
        }
        let worth = self.bytes.load(Relaxed).saturating_mul(SECOND) / self.rate;
        since.saturating_add(worth.max(GRACE).saturating_sub(self.waited.load(Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(rate: u32) -> Flow {
        let flow = Flow::new(rate);
        flow.begin();
        flow
    }

    #[test]
    fn nobody_is_too_slow_within_the_grace() {
        let flow = flow(240);
        assert_eq!(flow.deadline(), NEVER);
        flow.wait(5 * SECOND);
        assert_eq!(flow.deadline(), 15 * SECOND);
    }

    #[test]
    fn what_was_moved_is_worth_time() {
        let flow = flow(100);
        flow.moved(2000);
        flow.wait(0);
        assert_eq!(flow.deadline(), 20 * SECOND);
        flow.moved(500);
        assert_eq!(flow.deadline(), 25 * SECOND);
    }

    #[test]
    fn only_time_in_which_the_client_is_waited_for_counts() {
        let flow = flow(100);
        flow.wait(0);
        flow.go_on(4 * SECOND);
        assert_eq!(flow.deadline(), NEVER);
        flow.wait(1000 * SECOND);
        assert_eq!(flow.deadline(), 1006 * SECOND);
        flow.go_on(1006 * SECOND);
        flow.wait(2000 * SECOND);
        assert_eq!(flow.deadline(), 2000 * SECOND, "its time is used up");
    }

    #[test]
    fn without_a_rate_there_is_no_deadline() {
        let flow = flow(0);
        flow.wait(0);
        assert_eq!(flow.deadline(), NEVER);
    }
}
