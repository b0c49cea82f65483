//! The clock of a client's connection: one deadline at a time, without a timer for each request.
//!
//! Whoever moves the request on writes the next deadline here, which costs an atomic store; the connection keeps a
//! single timer and looks at the deadline only when that timer fires (see [`super::connection`]).
//!
//! - [`request`] is the way of one request through the phases, [`upload`] what becomes of its body meanwhile.
//! - [`witness`] sees what the client moves on its connection, [`fault`] tells whether it is the client that is waited
//!   for.
//! - [`shared`] is a connection of HTTP/2, which has several requests at a time. Each has a pace of its own, on the clock
//!   of the connection's, and tells that one when its deadline is the next; the single timer is the connection's.

mod fault;
mod request;
mod shared;
#[cfg(test)]
mod specimen;
mod upload;
mod witness;

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64};
use std::time::{Duration, Instant};

use futures_util::task::AtomicWaker;

use super::flow::Flow;

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

    fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Relaxed);
    }

    pub(super) fn deadline(&self) -> u64 {
        self.deadline.load(Relaxed)
    }

    fn set_deadline(&self, deadline: u64) {
        self.deadline.store(deadline, Relaxed);
        if let Some(connection) = &self.connection {
            connection.look_by(deadline);
        }
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
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX / 2)
}
