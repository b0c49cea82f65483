//! How the data plane calls the controller, without waiting for it.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use futures_util::task::AtomicWaker;

/// Rung when a request failed or a trial ended: the controller looks at the counters then, not only at its next round.
/// Many rings before a look are one.
#[derive(Debug, Default)]
pub struct Alarm {
    rung: AtomicBool,
    listener: AtomicWaker,
}

impl Alarm {
    /// Never blocks.
    pub fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            self.listener.wake();
        }
    }

    /// Waits for the next ring. One task may listen. Cancel safe: a ring that nobody took is heard by the next call.
    pub async fn heard(&self) {
        poll_fn(|cx| {
            self.listener.register(cx.waker());
            if self.rung.swap(false, Ordering::AcqRel) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn a_ring_before_the_listener_came_is_heard_once() {
        let alarm = Alarm::default();
        alarm.ring();
        alarm.ring();
        assert!(alarm.heard().now_or_never().is_some());
        assert!(alarm.heard().now_or_never().is_none());
    }
}
