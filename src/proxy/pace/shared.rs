//! A connection of HTTP/2, and its streams: each has a pace of its own, and the connection wakes for all.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Waker;

use super::{Pace, Phase};

/// The connection.
impl Pace {
    /// A connection of HTTP/2 begins: its first bytes are due within `listen.header_timeout`.
    pub(in crate::proxy) fn greet(&self) {
        self.enter(Phase::Head);
        self.set_deadline(self.now() + self.header_timeout);
    }

    /// The client has said that it speaks HTTP/2: from now on requests have a pace of their own.
    pub(in crate::proxy) fn share(&self) {
        self.enter(Phase::Shared);
        self.set_deadline(self.now() + self.idle_timeout);
    }

    /// How long a connection without requests may stay.
    pub(in crate::proxy) fn idle_timeout(&self) -> u64 {
        self.idle_timeout
    }

    /// When a header block that begins now has taken too long.
    pub(in crate::proxy) fn head_due(&self) -> u64 {
        self.now() + self.header_timeout
    }

    /// The next look at the deadlines of a connection that is shared is due at `moment`.
    pub(in crate::proxy) fn look_at(&self, moment: u64) {
        self.deadline.store(moment, Relaxed);
    }

    /// The same, if none is due before; wakes the connection.
    pub(in crate::proxy) fn look_by(&self, moment: u64) {
        if moment < self.deadline() {
            self.look_at(moment);
            self.task.wake();
        }
    }

    /// The task to be woken when a deadline is missed, or comes before all others.
    pub(in crate::proxy) fn belong_to(&self, task: &Waker) {
        self.task.register(task);
    }
}

/// A stream.
impl Pace {
    /// For one of several requests of a connection.
    pub(in crate::proxy) fn of_stream(connection: &Arc<Self>) -> Self {
        let Self { opened, idle_timeout, header_timeout, .. } = **connection;
        let pace = Self::at(opened, idle_timeout, header_timeout, u64::MAX, Some(connection.clone()));
        Self { flow: connection.flow.another(), ..pace }
    }

    /// For another request, in place of one that is over and of which nothing goes on.
    pub(in crate::proxy) fn renew(&self) {
        self.enter(Phase::Idle);
        self.deadline.store(u64::MAX, Relaxed);
        self.missed.store(false, Relaxed);
        self.uploading.store(false, Relaxed);
        self.hung_up.store(false, Relaxed);
        self.abandoned.store(false, Relaxed);
    }

    /// So many bytes of the request's body were taken from the client. Progress on a connection of HTTP/1.1 is seen by
    /// its [`Witness`](crate::net::stream::Witness), which sees no streams.
    pub(in crate::proxy) fn taken(&self, bytes: usize) {
        if self.connection.is_some() && matches!(self.phase(), Phase::Upload | Phase::Response) && !self.missed() {
            let now = self.now();
            self.heard.store(now, Relaxed);
            if self.phase() == Phase::Upload {
                self.flow.moved(bytes);
            }
            // More of an upload is no excuse for not taking the response.
            self.set_deadline((now + self.body_idle.load(Relaxed)).min(self.flow.deadline()));
        }
    }

    /// A part of the response's body of a stream was handed over, which the client has to take next.
    pub(in crate::proxy) fn handed_over(&self) {
        let Some(idle) = self.response_idle() else { return };
        let now = self.now();
        self.flow.wait(now);
        self.set_deadline((now + idle).min(self.flow.deadline()));
    }

    /// The client has room for more after so many bytes: it is the backend's turn.
    pub(in crate::proxy) fn took(&self, bytes: usize) {
        let Some(idle) = self.response_idle() else { return };
        let now = self.now();
        self.flow.moved(bytes);
        self.flow.go_on(now);
        self.set_deadline(now + idle);
    }

    /// How long a response may stand still; what is left of it, when it is finished.
    fn response_idle(&self) -> Option<u64> {
        match self.phase() {
            Phase::Response => Some(self.body_idle.load(Relaxed)),
            Phase::Idle => Some(self.idle_timeout),
            Phase::Head | Phase::Upload | Phase::Waiting | Phase::Shared | Phase::Tunnel => None,
        }
    }

    /// Whether a deadline of a stream was missed after its answer had begun.
    pub(in crate::proxy) fn is_cut(&self) -> bool {
        self.missed() && matches!(self.phase(), Phase::Response | Phase::Idle | Phase::Tunnel)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::specimen::SECOND;
    use super::*;
    use crate::net::stream::Witness;

    #[test]
    fn more_of_an_upload_does_not_excuse_who_does_not_take_the_response() {
        let connection = Arc::new(Pace::new(Duration::from_secs(60), Duration::from_secs(10)).with_rate(100));
        let stream = Arc::new(Pace::of_stream(&connection));
        for pace in [&connection, &stream] {
            pace.request();
            pace.sent(true, Duration::from_secs(60), Duration::from_secs(5));
            pace.responded(Duration::from_secs(60));
        }
        connection.waits(true);
        connection.read(1);
        stream.handed_over();
        stream.taken(1);
        assert!(connection.deadline() < 11 * SECOND && stream.deadline() < 11 * SECOND);
    }
}
