//! The clock of a client's connection: one deadline at a time, without a timer for each request.
//!
//! Whoever moves the request on writes the next deadline here, which costs an atomic store; the connection keeps a
//! single timer and looks at the deadline only when that timer fires (see [`super::connection`]).
//!
//! A connection of HTTP/2 has several requests at a time. Each has a pace of its own, on the clock of the connection's,
//! and tells that one when its deadline is the next; the single timer is the connection's.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64};
use std::task::Waker;
use std::time::{Duration, Instant};

use futures_util::task::AtomicWaker;

use super::flow::Flow;
use crate::metrics::Refused;
use crate::net::stream::Witness;

/// Writes of this many bytes and more may have waited for the client, and are worth a look at the clock.
const MUCH: usize = 16 * 1024;

/// How long a client may go on sending after the connection's end was sent, in nanoseconds.
const LINGER: u64 = 2_000_000_000;

/// What a connection is doing, which decides what a missed deadline means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Phase {
    /// No byte of a request yet: `listen.idle_timeout` applies, and the connection is closed.
    Idle,
    /// A request's head has begun: `listen.header_timeout` applies, and the connection is closed.
    Head,
    /// A request's body is being read and no response has come: `timeout.idle` applies, and the answer is 408 or 504.
    Upload,
    /// The request is with the backend: `timeout.response` applies, and the answer is 504.
    Waiting,
    /// A response is being written: `timeout.idle` applies, and the connection is closed, or over HTTP/2 the stream.
    Response,
    /// A connection of HTTP/2: requests have a pace of their own each. While there are none, `listen.idle_timeout`
    /// applies, and the connection is closed.
    Shared,
    /// HTTP has ended: `timeout.tunnel` applies, and the connection is closed, or the stream.
    Tunnel,
}

/// Deadlines and phase of one connection, or of one request of HTTP/2. All times are nanoseconds since the connection
/// was opened.
///
/// Only tasks of one worker read and write it, so that relaxed atomics suffice.
#[derive(Debug)]
pub(super) struct Pace {
    opened: Instant,
    idle_timeout: u64,
    header_timeout: u64,
    phase: AtomicU8,
    deadline: AtomicU64,
    began: AtomicU64,
    heard: AtomicU64,
    body_idle: AtomicU64,
    response_timeout: AtomicU64,
    missed: AtomicBool,
    uploading: AtomicBool,
    starved: AtomicBool,
    gone: AtomicBool,
    hung_up: AtomicBool,
    /// Written while the connection was shared.
    written: AtomicU64,
    /// Of the connection that this request is one of several of.
    connection: Option<Arc<Self>>,
    /// Whose deadlines these are, where that is not the task that looks at them.
    task: AtomicWaker,
    overran: AtomicBool,
    unread: AtomicBool,
    /// Nobody waits for the response any more, although the request has not ended.
    abandoned: AtomicBool,
    /// Who takes the request's body, where that is a task of its own.
    upload: AtomicWaker,
    flow: Flow,
}

impl Pace {
    pub(super) fn new(idle_timeout: Duration, header_timeout: Duration) -> Self {
        let idle_timeout = nanos(idle_timeout);
        Self::at(Instant::now(), idle_timeout, nanos(header_timeout), idle_timeout, None)
    }

    /// For one of several requests of a connection.
    pub(super) fn of_stream(connection: &Arc<Self>) -> Self {
        let Self { opened, idle_timeout, header_timeout, .. } = **connection;
        let pace = Self::at(opened, idle_timeout, header_timeout, u64::MAX, Some(connection.clone()));
        Self { flow: connection.flow.another(), ..pace }
    }

    /// For another request, in place of one that is over and of which nothing goes on.
    pub(super) fn renew(&self) {
        self.enter(Phase::Idle);
        self.deadline.store(u64::MAX, Relaxed);
        self.missed.store(false, Relaxed);
        self.uploading.store(false, Relaxed);
        self.hung_up.store(false, Relaxed);
        self.abandoned.store(false, Relaxed);
    }

    fn at(
        opened: Instant,
        idle_timeout: u64,
        header_timeout: u64,
        deadline: u64,
        connection: Option<Arc<Self>>,
    ) -> Self {
        Self {
            opened,
            idle_timeout,
            header_timeout,
            phase: AtomicU8::new(Phase::Idle as u8),
            deadline: AtomicU64::new(deadline),
            began: AtomicU64::new(0),
            heard: AtomicU64::new(0),
            body_idle: AtomicU64::new(idle_timeout),
            response_timeout: AtomicU64::new(0),
            missed: AtomicBool::new(false),
            uploading: AtomicBool::new(false),
            starved: AtomicBool::new(false),
            gone: AtomicBool::new(false),
            hung_up: AtomicBool::new(false),
            written: AtomicU64::new(0),
            connection,
            task: AtomicWaker::new(),
            overran: AtomicBool::new(false),
            unread: AtomicBool::new(false),
            abandoned: AtomicBool::new(false),
            upload: AtomicWaker::new(),
            flow: Flow::new(0),
        }
    }

    /// The same for a client that has to move so many bytes per second while it is waited for; 0: any number.
    pub(super) fn with_rate(self, bytes: u32) -> Self {
        Self { flow: Flow::new(bytes), ..self }
    }

    pub(super) fn now(&self) -> u64 {
        nanos(self.opened.elapsed())
    }

    /// `time` after `moment`, on this clock.
    pub(super) fn after(&self, moment: u64, time: Duration) -> u64 {
        moment.saturating_add(nanos(time))
    }

    /// The moment `at` of this clock.
    pub(super) fn instant(&self, at: u64) -> Instant {
        self.opened + Duration::from_nanos(at)
    }

    pub(super) fn deadline(&self) -> u64 {
        self.deadline.load(Relaxed)
    }

    pub(super) fn phase(&self) -> Phase {
        match self.phase.load(Relaxed) {
            0 => Phase::Idle,
            1 => Phase::Head,
            2 => Phase::Upload,
            3 => Phase::Waiting,
            4 => Phase::Response,
            5 => Phase::Shared,
            _ => Phase::Tunnel,
        }
    }

    /// A request's head is complete. Gives when its first byte came.
    pub(super) fn request(&self) -> u64 {
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
    pub(super) fn sent(&self, has_body: bool, idle: Duration, response: Duration) {
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

    /// The request is tried once more, from its beginning, or had to wait before it could be: every limit begins anew,
    /// and with it there is no deadline until it is sent.
    pub(super) fn again(&self) {
        self.heard.store(self.now(), Relaxed);
        self.missed.store(false, Relaxed);
        self.starved.store(false, Relaxed);
        self.enter(Phase::Upload);
        self.set_deadline(u64::MAX);
    }

    /// The backend owes the rest of a response that is read before its head is passed on: the next part may take
    /// `idle`.
    pub(super) fn owed(&self, idle: Duration) {
        self.set_deadline(self.now() + nanos(idle));
    }

    /// The backend asks for more of the request's body than the client has sent (`true`), or has got it (`false`).
    pub(super) fn starve(&self, starved: bool) {
        self.starved.store(starved, Relaxed);
        if self.phase() == Phase::Upload && starved != self.flow.is_waiting() {
            self.wait_for_client(starved, self.body_idle.load(Relaxed));
        }
    }

    /// The client, whose turn it is to move bytes, is waited for from now on or is not any more. Whoever makes it wait
    /// may do so for `idle`.
    fn wait_for_client(&self, wait: bool, idle: u64) {
        let now = self.now();
        if wait {
            self.flow.wait(now);
            self.end_by(self.flow.deadline());
        } else {
            self.flow.go_on(now);
            self.set_deadline(now + idle);
        }
    }

    /// Whether it is the client's turn to move bytes.
    pub(super) fn is_client_awaited(&self) -> bool {
        self.flow.is_waiting()
    }

    /// Whether the client has been too slow by now.
    pub(super) fn is_slow(&self) -> bool {
        self.flow.deadline() <= self.now()
    }

    /// What the client made the connection miss its deadline by, if it was the client. One that was idle between two
    /// requests has done nothing.
    pub(super) fn fault(&self) -> Option<Refused> {
        match self.phase() {
            Phase::Head => Some(Refused::HeaderTimeout),
            Phase::Idle | Phase::Response if self.flow.is_waiting() => {
                Some(if self.is_slow() { Refused::BodyRate } else { Refused::Idle })
            }
            Phase::Idle if self.heard.load(Relaxed) == 0 => Some(Refused::Idle),
            Phase::Idle | Phase::Upload | Phase::Waiting | Phase::Response | Phase::Shared | Phase::Tunnel => None,
        }
    }

    /// Whether an upload that stands still waits for the client, not for the backend.
    pub(super) fn starved(&self) -> bool {
        self.uploading() && self.starved.load(Relaxed)
    }

    /// The client broke off in the middle of its request's body: what fails now is not the backend's fault.
    pub(super) fn go(&self) {
        self.gone.store(true, Relaxed);
        self.task.wake();
    }

    pub(super) fn gone(&self) -> bool {
        self.gone.load(Relaxed)
    }

    /// The request's body is larger than it may be: it is not taken to its end.
    pub(super) fn overrun(&self) {
        self.overran.store(true, Relaxed);
        self.go();
    }

    /// The request is answered although its body was not taken whole.
    pub(super) fn leave_unread(&self) {
        self.unread.store(true, Relaxed);
    }

    pub(super) fn overran(&self) -> bool {
        self.overran.load(Relaxed)
    }

    /// The response was dropped before its end. An upload in a task of its own would keep both streams open for as long
    /// as the client does.
    pub(super) fn abandon(&self) {
        if self.uploading() {
            self.abandoned.store(true, Relaxed);
            self.upload.wake();
        }
    }

    /// Whether the upload is of no use any more; else `task` is woken when it is. A connection that is not shared ends
    /// with its response, and its upload with it.
    pub(super) fn is_abandoned(&self, task: &Waker) -> bool {
        if self.connection.is_none() {
            return false;
        }
        self.upload.register(task);
        self.abandoned.load(Relaxed)
    }

    /// Whether a part of the request's body has not been taken from the client.
    pub(super) fn uploading(&self) -> bool {
        self.uploading.load(Relaxed)
    }

    /// Whether a request is being answered of which nothing more is to come.
    pub(super) fn is_answering(&self) -> bool {
        matches!(self.phase(), Phase::Upload | Phase::Waiting | Phase::Response) && !self.uploading()
    }

    /// The request's last byte has been taken from the client.
    pub(super) fn uploaded(&self) {
        self.uploading.store(false, Relaxed);
        if self.phase() == Phase::Upload {
            self.wait();
        }
        self.task.wake();
    }

    /// Wakes the connection when the upload ends, once. For an upload that another task takes from the client.
    pub(super) fn watch(&self, waker: &Waker) {
        if self.uploading() {
            self.task.register(waker);
        }
    }

    /// The response's head is waited for, from the moment at which the last byte came from the client.
    fn wait(&self) {
        self.enter(Phase::Waiting);
        self.set_deadline(self.heard.load(Relaxed) + self.response_timeout.load(Relaxed));
    }

    /// The response's head is here, and is written next, which sets the deadline.
    pub(super) fn responded(&self, idle: Duration) {
        self.body_idle.store(nanos(idle), Relaxed);
        self.flow.begin();
        self.enter(Phase::Response);
        if self.connection.is_some() {
            self.set_deadline(self.now() + nanos(idle));
        }
    }

    /// So many bytes of the request's body were taken from the client. Progress on a connection of HTTP/1.1 is seen by
    /// its [`Witness`], which sees no streams.
    pub(super) fn taken(&self, bytes: usize) {
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
    pub(super) fn handed_over(&self) {
        let Some(idle) = self.response_idle() else { return };
        let now = self.now();
        self.flow.wait(now);
        self.set_deadline((now + idle).min(self.flow.deadline()));
    }

    /// The client has room for more after so many bytes: it is the backend's turn.
    pub(super) fn took(&self, bytes: usize) {
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

    /// The request has become a tunnel, over which nothing may go for `idle`. It ends HTTP, or the stream.
    pub(super) fn tunnel(&self, idle: Duration) {
        self.body_idle.store(nanos(idle), Relaxed);
        self.enter(Phase::Tunnel);
        self.tunnelled();
    }

    /// Something went through the tunnel, in whichever direction.
    pub(super) fn tunnelled(&self) {
        self.set_deadline(self.now() + self.body_idle.load(Relaxed));
    }

    /// The client was told that nothing more will come through the tunnel.
    pub(super) fn hang_up(&self) {
        self.hung_up.store(true, Relaxed);
    }

    pub(super) fn has_hung_up(&self) -> bool {
        self.hung_up.load(Relaxed)
    }

    /// One end of the tunnel broke, and the other must not take that for a proper end.
    pub(super) fn break_off(&self) {
        self.enter(Phase::Response);
    }

    pub(super) fn is_broken_off(&self) -> bool {
        self.phase() == Phase::Response
    }

    /// The response's last byte has been handed over. Gives the time.
    pub(super) fn finished(&self) -> u64 {
        let now = self.now();
        self.enter(Phase::Idle);
        self.missed.store(false, Relaxed);
        self.set_deadline(now + self.idle_timeout);
        now
    }

    /// What was read so far came before the first request, and was none.
    pub(super) fn begin(&self) {
        self.finished();
    }

    /// A connection of HTTP/2 begins: its first bytes are due within `listen.header_timeout`.
    pub(super) fn greet(&self) {
        self.enter(Phase::Head);
        self.set_deadline(self.now() + self.header_timeout);
    }

    /// The client has said that it speaks HTTP/2: from now on requests have a pace of their own.
    pub(super) fn share(&self) {
        self.enter(Phase::Shared);
        self.set_deadline(self.now() + self.idle_timeout);
    }

    /// How long a connection without requests may stay.
    pub(super) fn idle_timeout(&self) -> u64 {
        self.idle_timeout
    }

    /// When a header block that begins now has taken too long.
    pub(super) fn head_due(&self) -> u64 {
        self.now() + self.header_timeout
    }

    /// Whether a connection that is shared has written much since it was asked last; `leaving`: anything.
    pub(super) fn has_written(&self, leaving: bool) -> bool {
        self.written.swap(0, Relaxed) >= if leaving { 1 } else { MUCH as u64 }
    }

    /// The next look at the deadlines of a connection that is shared is due at `moment`.
    pub(super) fn look_at(&self, moment: u64) {
        self.deadline.store(moment, Relaxed);
    }

    /// The same, if none is due before; wakes the connection.
    pub(super) fn look_by(&self, moment: u64) {
        if moment < self.deadline() {
            self.look_at(moment);
            self.task.wake();
        }
    }

    /// The task to be woken when a deadline is missed, or comes before all others.
    pub(super) fn belong_to(&self, task: &Waker) {
        self.task.register(task);
    }

    /// Whether a deadline of a stream was missed after its answer had begun.
    pub(super) fn is_cut(&self) -> bool {
        self.missed() && matches!(self.phase(), Phase::Response | Phase::Idle | Phase::Tunnel)
    }

    /// The connection may not stay idle beyond `moment`.
    pub(super) fn end_by(&self, moment: u64) {
        self.set_deadline(self.deadline().min(moment));
    }

    /// Whether the deadline of this request was missed, as the connection told by [`Pace::miss`].
    pub(super) fn missed(&self) -> bool {
        self.missed.load(Relaxed)
    }

    /// Tells the request that its deadline has passed, and gives it no further one.
    pub(super) fn miss(&self) {
        self.missed.store(true, Relaxed);
        self.set_deadline(u64::MAX);
        self.task.wake();
    }

    fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Relaxed);
    }

    fn set_deadline(&self, deadline: u64) {
        self.deadline.store(deadline, Relaxed);
        if let Some(connection) = &self.connection {
            connection.look_by(deadline);
        }
    }
}

/// Bytes moved on the client's side are progress.
impl Witness for Arc<Pace> {
    fn read(&self, bytes: usize) {
        match self.phase() {
            Phase::Idle => {
                let now = self.now();
                self.began.store(now, Relaxed);
                self.heard.store(now, Relaxed);
                self.enter(Phase::Head);
                self.set_deadline(now + self.header_timeout);
            }
            Phase::Head => self.heard.store(self.now(), Relaxed),
            Phase::Upload | Phase::Response if !self.missed() => {
                let now = self.now();
                self.heard.store(now, Relaxed);
                self.set_deadline(now + self.body_idle.load(Relaxed));
                if self.phase() == Phase::Upload {
                    self.flow.moved(bytes);
                }
                // More of an upload is no excuse for not taking the response.
                self.end_by(self.flow.deadline());
            }
            Phase::Waiting | Phase::Upload | Phase::Response | Phase::Shared | Phase::Tunnel => {}
        }
    }

    fn waits(&self, waits: bool) {
        let idle = match self.phase() {
            Phase::Response => self.body_idle.load(Relaxed),
            Phase::Idle => self.idle_timeout,
            Phase::Head | Phase::Upload | Phase::Waiting | Phase::Shared | Phase::Tunnel => return,
        };
        if waits != self.flow.is_waiting() {
            self.wait_for_client(waits, idle);
        }
    }

    fn written(&self, bytes: usize) {
        // What the socket has taken before it was full says nothing of the client.
        if self.flow.is_waiting() {
            self.flow.moved(bytes);
        }
        match self.phase() {
            // The end of a response that was finished just now, unless there is much of it.
            Phase::Idle if bytes < MUCH => {}
            Phase::Idle => self.set_deadline(self.now() + self.idle_timeout),
            Phase::Response => self.set_deadline(self.now() + self.body_idle.load(Relaxed)),
            Phase::Shared => {
                self.written.fetch_add(bytes as u64, Relaxed);
            }
            Phase::Head | Phase::Upload | Phase::Waiting | Phase::Tunnel => {}
        }
    }

    fn lingers(&self) -> bool {
        let unread = self.unread.load(Relaxed);
        if unread {
            self.end_by(self.now() + LINGER);
        }
        unread
    }

    /// A response has begun and not been handed over to its end: it broke off, stood still, or was cut by a stop. Or a
    /// tunnel broke.
    fn owes(&self) -> bool {
        self.phase() == Phase::Response
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX / 2)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn pace() -> Arc<Pace> {
        Arc::new(Pace::new(Duration::from_secs(60), Duration::from_secs(10)))
    }

    #[test]
    fn the_first_byte_of_a_request_starts_the_header_timeout_and_later_bytes_do_not_extend_it() {
        let pace = pace();
        assert_eq!(pace.deadline(), 60 * SECOND);
        pace.read(1);
        let deadline = pace.deadline();
        assert!(pace.phase() == Phase::Head && deadline < 11 * SECOND);
        pace.read(1);
        assert_eq!(pace.deadline(), deadline);
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

    #[test]
    fn a_request_without_a_body_has_the_response_timeout_at_once() {
        let pace = pace();
        pace.read(1);
        pace.request();
        pace.sent(false, Duration::from_secs(60), Duration::from_secs(5));
        assert!(pace.phase() == Phase::Waiting && pace.deadline() < 6 * SECOND);
    }

    #[test]
    fn the_response_timeout_begins_with_the_last_byte_of_a_body() {
        let pace = pace();
        pace.request();
        pace.sent(true, Duration::from_secs(60), Duration::from_secs(5));
        assert!(pace.phase() == Phase::Upload && pace.deadline() > 50 * SECOND);
        pace.uploaded();
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
    fn an_upload_that_ends_after_the_response_began_changes_nothing() {
        let pace = pace();
        pace.request();
        pace.sent(true, Duration::from_secs(60), Duration::from_secs(5));
        pace.responded(Duration::from_secs(60));
        pace.written(1);
        pace.uploaded();
        assert!(pace.phase() == Phase::Response && pace.deadline() > 50 * SECOND);
    }

    #[test]
    fn an_upload_is_too_slow_only_while_the_client_is_waited_for() {
        let pace = Arc::new(Pace::new(Duration::from_secs(60), Duration::from_secs(10)).with_rate(100));
        pace.request();
        pace.sent(true, Duration::from_secs(60), Duration::from_secs(5));
        pace.starve(true);
        assert!(pace.deadline() < 11 * SECOND);
        pace.read(3000);
        assert!((29 * SECOND..31 * SECOND).contains(&pace.deadline()), "{}", pace.deadline());
        pace.starve(false);
        assert!(pace.deadline() > 59 * SECOND, "the backend has its own time");
    }

    #[test]
    fn a_response_is_taken_too_slowly_only_while_the_client_is_waited_for() {
        let pace = Arc::new(Pace::new(Duration::from_secs(60), Duration::from_secs(10)).with_rate(100));
        pace.request();
        pace.responded(Duration::from_secs(60));
        pace.written(1);
        assert!(pace.deadline() > 59 * SECOND);
        pace.waits(true);
        assert!(pace.deadline() < 11 * SECOND);
        assert_eq!(pace.fault(), Some(Refused::Idle), "too early to tell");
        pace.waits(false);
        assert!(pace.deadline() > 59 * SECOND);
        assert_eq!(pace.fault(), None, "it is the backend that stands still");
    }

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
    fn a_connection_that_never_said_anything_is_at_fault_and_one_that_is_done_is_not() {
        let pace = pace();
        assert_eq!(pace.fault(), Some(Refused::Idle));
        pace.read(1);
        assert_eq!(pace.fault(), Some(Refused::HeaderTimeout));
        pace.request();
        pace.responded(Duration::from_secs(60));
        pace.finished();
        assert_eq!(pace.fault(), None);
    }

    #[test]
    fn the_end_of_a_response_starts_the_idle_timeout() {
        let pace = pace();
        pace.request();
        pace.responded(Duration::from_secs(1));
        pace.finished();
        assert!(pace.phase() == Phase::Idle && pace.deadline() > 59 * SECOND);
    }
}
