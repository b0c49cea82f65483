//! The way of one request through the phases, to its end or into a tunnel.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::{Pace, Phase, nanos};

impl Pace {
    /// A request's head is complete. Gives when its first byte came.
    pub(in crate::proxy) fn request(&self) -> u64 {
        let began = match self.phase() {
            Phase::Head => self.began.load(Relaxed),
            // Pipelined: it was read together with the one before it. Or a stream, which begins with its head.
            Phase::Idle | Phase::Upload | Phase::Waiting | Phase::Response | Phase::Shared | Phase::Tunnel => {
                let now = self.now();
                self.heard.store(now, Relaxed);
                now
            }
        };
        self.missed.store(false, Relaxed);
        self.unread.store(false, Relaxed);
        self.starved.store(false, Relaxed);
        self.gone.store(false, Relaxed);
        self.overran.store(false, Relaxed);
        self.flow.begin();
        self.enter(Phase::Upload);
        self.set_deadline(u64::MAX);
        began
    }

    /// The request goes to a backend: its body (when it has one) may stand still for `idle`, and the response's head
    /// may take `response` from the request's last byte.
    pub(in crate::proxy) fn sent(&self, has_body: bool, idle: Duration, response: Duration) {
        self.body_idle.store(nanos(idle), Relaxed);
        self.response_timeout.store(nanos(response), Relaxed);
        self.uploading.store(has_body, Relaxed);
        self.enter(Phase::Upload);
        if has_body {
            self.flow.begin();
            self.set_deadline(self.now() + nanos(idle));
        } else {
            self.wait();
        }
    }

    /// The response's head is waited for, from the moment at which the last byte came from the client.
    pub(super) fn wait(&self) {
        self.enter(Phase::Waiting);
        self.set_deadline(self.heard.load(Relaxed) + self.response_timeout.load(Relaxed));
    }

    /// The request is tried once more, from its beginning, or had to wait before it could be: every limit begins anew,
    /// and with it there is no deadline until it is sent.
    pub(in crate::proxy) fn again(&self) {
        self.heard.store(self.now(), Relaxed);
        self.missed.store(false, Relaxed);
        self.starved.store(false, Relaxed);
        self.enter(Phase::Upload);
        self.set_deadline(u64::MAX);
    }

    /// The backend owes the rest of a response that is read before its head is passed on: the next part may take
    /// `idle`.
    pub(in crate::proxy) fn owed(&self, idle: Duration) {
        self.set_deadline(self.now() + nanos(idle));
    }

    /// The response's head is here, and is written next, which sets the deadline.
    pub(in crate::proxy) fn responded(&self, idle: Duration) {
        self.body_idle.store(nanos(idle), Relaxed);
        self.flow.begin();
        self.enter(Phase::Response);
        if self.connection.is_some() {
            self.set_deadline(self.now() + nanos(idle));
        }
    }

    /// The response's last byte has been handed over. Gives the time.
    pub(in crate::proxy) fn finished(&self) -> u64 {
        let now = self.now();
        self.enter(Phase::Idle);
        self.missed.store(false, Relaxed);
        self.set_deadline(now + self.idle_timeout);
        now
    }

    /// What was read so far came before the first request, and was none.
    pub(in crate::proxy) fn begin(&self) {
        self.finished();
    }

    /// The request has become a tunnel, over which nothing may go for `idle`. It ends HTTP, or the stream.
    pub(in crate::proxy) fn tunnel(&self, idle: Duration) {
        self.body_idle.store(nanos(idle), Relaxed);
        self.enter(Phase::Tunnel);
        self.tunnelled();
    }

    /// Something went through the tunnel, in whichever direction.
    pub(in crate::proxy) fn tunnelled(&self) {
        self.set_deadline(self.now() + self.body_idle.load(Relaxed));
    }

    /// The client was told that nothing more will come through the tunnel.
    pub(in crate::proxy) fn hang_up(&self) {
        self.hung_up.store(true, Relaxed);
    }

    pub(in crate::proxy) fn has_hung_up(&self) -> bool {
        self.hung_up.load(Relaxed)
    }

    /// One end of the tunnel broke, and the other must not take that for a proper end.
    pub(in crate::proxy) fn break_off(&self) {
        self.enter(Phase::Response);
    }

    pub(in crate::proxy) fn is_broken_off(&self) -> bool {
        self.phase() == Phase::Response
    }
}

#[cfg(test)]
mod tests {
    use super::super::specimen::{SECOND, pace};
    use super::*;
    use crate::net::stream::Witness;

    #[test]
    fn a_request_without_a_body_has_the_response_timeout_at_once() {
        let pace = pace();
        pace.read(1);
        pace.request();
        pace.sent(false, Duration::from_secs(60), Duration::from_secs(5));
        assert!(pace.phase() == Phase::Waiting && pace.deadline() < 6 * SECOND);
    }

    #[test]
    fn a_request_that_is_tried_again_has_fresh_limits() {
        let pace = pace();
        pace.read(1);
        pace.request();
        pace.sent(false, Duration::from_secs(60), Duration::from_nanos(1));
        pace.miss();
        pace.again();
        assert!(!pace.missed() && pace.deadline() == u64::MAX);
        let now = pace.now();
        pace.sent(false, Duration::from_secs(60), Duration::from_secs(5));
        assert!(pace.phase() == Phase::Waiting && pace.deadline() <= now + 5 * SECOND);
        assert!(pace.deadline() > now);
    }

    #[test]
    fn a_request_has_nothing_of_the_one_before_it() {
        let pace = pace();
        pace.request();
        pace.sent(true, Duration::from_secs(60), Duration::from_secs(5));
        pace.starve(true);
        pace.overrun();
        pace.responded(Duration::from_secs(60));
        pace.finished();
        pace.request();
        pace.sent(true, Duration::from_secs(60), Duration::from_secs(5));
        assert!(!pace.gone() && !pace.overran() && !pace.starved());
    }

    #[test]
    fn the_end_of_a_response_starts_the_idle_timeout() {
        let pace = pace();
        pace.request();
        pace.responded(Duration::from_secs(1));
        pace.finished();
        assert!(pace.phase() == Phase::Idle && pace.deadline() > 59 * SECOND);
    }

    #[test]
    fn a_tunnel_has_time_anew_whenever_something_goes_through_it_and_owes_nothing_until_it_breaks() {
        let pace = pace();
        pace.request();
        pace.tunnel(Duration::from_secs(3600));
        let first = pace.deadline();
        assert!(first > 3599 * SECOND);
        pace.read(1);
        pace.written(1);
        assert_eq!((pace.deadline(), pace.owes()), (first, false));
        pace.tunnelled();
        assert!(pace.deadline() > first);
        pace.break_off();
        assert!(pace.owes() && pace.is_broken_off());
    }
}
