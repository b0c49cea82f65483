//! The requests that run at once on one connection, and their deadlines.

use std::future::Future;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::super::guest::Guest;
use super::super::handler::Client;
use super::super::pace::Pace;
use super::super::worker::Worker;
use super::seat::{Seat, serve};
use super::tunnel::Sender;
use crate::metrics::Refused;

/// How long a client without requests may take to close its connection once it was told to go, in nanoseconds.
const GOODBYE: u64 = 3_000_000_000;
/// How long seats stay when nobody sits on any of them, in nanoseconds.
const SPARE_FOR: u64 = 1_000_000_000;

/// The streams of one connection. The lock is never contended: only the worker's own thread takes it.
pub(super) struct Streams {
    worker: Arc<Worker>,
    pace: Arc<Pace>,
    guest: Arc<Guest>,
    open: Mutex<Open>,
    /// When the connection has been idle for too long, if there is no stream.
    idle_by: AtomicU64,
    /// The client was told to go.
    leaving: AtomicBool,
    /// When the header block has taken too long that has begun.
    head_by: AtomicU64,
    /// The client was left for its noise.
    flooded: AtomicBool,
}

#[derive(Default)]
struct Open {
    /// Who has a stream, by its number.
    seats: Vec<Option<Arc<Seat>>>,
    /// Numbers that no stream has.
    free: Vec<usize>,
    /// Where nobody sits.
    spare: Vec<Arc<Seat>>,
    /// Of the request that the service was called with and that is not running yet.
    next: Option<usize>,
    /// Of the request that has just been granted a tunnel.
    sender: Option<Sender>,
    /// The connection has ended.
    closed: bool,
}

/// What the connection has to do when a deadline has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    /// There was no stream for `listen.idle_timeout`.
    Idle,
    /// A header block took longer than `listen.header_timeout`.
    Head,
}

impl Streams {
    pub(super) fn new(worker: Arc<Worker>, pace: Arc<Pace>, guest: Arc<Guest>) -> Self {
        Self {
            worker,
            pace,
            guest,
            open: Mutex::default(),
            idle_by: AtomicU64::new(u64::MAX),
            leaving: AtomicBool::new(false),
            head_by: AtomicU64::new(u64::MAX),
            flooded: AtomicBool::new(false),
        }
    }

    /// A seat for a request that begins. Its stream is to be [run](Self::run) next.
    pub(super) fn begin(self: &Arc<Self>) -> Arc<Seat> {
        let mut open = self.lock();
        let seat = open.spare.pop().unwrap_or_else(|| self.seat());
        let number = open.free.pop().unwrap_or(open.seats.len());
        if number == open.seats.len() {
            open.seats.push(None);
        }
        seat.take(number);
        open.seats[number] = Some(seat.clone());
        open.next = Some(number);
        seat
    }

    /// One more seat, whose task the worker runs.
    fn seat(self: &Arc<Self>) -> Arc<Seat> {
        let pace = Arc::new(Pace::of_stream(&self.pace));
        let seat = Seat::new(Client::new(self.worker.clone(), pace, self.guest.clone()));
        self.worker.spawn_uncounted(serve(seat.clone(), self.clone()));
        seat
    }

    /// Runs the stream of the request that has begun last.
    ///
    /// When no request has begun, `stream` is what sends over the one that is being polled, whose answer was an
    /// upgrade.
    pub(super) fn run(&self, stream: impl Future<Output = ()> + Send + 'static) {
        let mut open = self.lock();
        match open.next.take().and_then(|number| open.seats[number].as_ref()) {
            Some(seat) => seat.run(stream),
            None => open.sender = Some(Box::pin(stream)),
        }
    }

    /// A stream has ended, or has panicked.
    pub(super) fn end(&self, number: usize) {
        let mut open = self.lock();
        open.free.push(number);
        if let Some(seat) = open.seats[number].take() {
            if open.closed || std::thread::panicking() || !seat.is_free() {
                seat.remove();
            } else {
                open.spare.push(seat);
            }
        }
        let last = open.free.len() == open.seats.len();
        drop(open);
        if last {
            self.rest();
        }
    }

    /// The connection has ended: no stream begins any more.
    pub(super) fn close(&self) {
        let mut open = self.lock();
        open.closed = true;
        open.clear();
    }

    pub(super) fn take_sender(&self) -> Option<Sender> {
        self.lock().sender.take()
    }

    pub(super) fn is_idle(&self) -> bool {
        let open = self.lock();
        open.free.len() == open.seats.len()
    }

    /// The client has sent its preface.
    pub(super) fn greeted(&self) {
        self.pace.share();
        self.rest();
    }

    /// A header block has begun and not ended (`true`), or has ended after that.
    pub(super) fn in_head(&self, began: bool) {
        let due = if began { self.pace.head_due() } else { u64::MAX };
        self.head_by.store(due, Relaxed);
        self.pace.look_by(due);
    }

    pub(super) fn flooded(&self) {
        self.flooded.store(true, Relaxed);
        self.worker.metrics.refused.count(Refused::Flood);
    }

    pub(super) fn has_flooded(&self) -> bool {
        self.flooded.load(Relaxed)
    }

    pub(super) fn now(&self) -> u64 {
        self.pace.now()
    }

    /// Tells the streams that have missed their deadline, and sets when to look next.
    pub(super) fn look(&self) -> Due {
        let now = self.pace.now();
        let mut next = self.head_by.load(Relaxed);
        if next <= now {
            return Due::Head;
        }
        let mut idle = true;
        let mut open = self.lock();
        for seat in open.seats.iter().flatten() {
            idle = false;
            let pace = &seat.client.pace;
            if pace.deadline() <= now {
                if let Some(limit) = pace.fault() {
                    self.worker.metrics.refused.count(limit);
                }
                pace.miss();
            }
            next = next.min(pace.deadline());
        }
        if idle {
            open.clear();
            if self.idle_by.load(Relaxed) <= now {
                if !self.pace.has_written(self.leaving.load(Relaxed)) {
                    return Due::Idle;
                }
                // Of answers whose streams have ended here, and not yet at the client.
                self.rest();
            }
            next = next.min(self.idle_by.load(Relaxed));
        }
        self.pace.look_at(next);
        Due::Nothing
    }

    /// The client was told to go, and has not long if it has no request.
    pub(super) fn leave(&self) {
        self.leaving.store(true, Relaxed);
        self.rest();
    }

    /// There may be no stream from now on.
    fn rest(&self) {
        let patience = if self.leaving.load(Relaxed) { GOODBYE } else { self.pace.idle_timeout() };
        let now = self.pace.now();
        let idle_by = now + patience;
        self.idle_by.store(idle_by, Relaxed);
        self.pace.look_by(idle_by.min(now + SPARE_FOR));
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// Takes the seats away on which nobody sits.
    fn clear(&mut self) {
        for seat in self.spare.drain(..) {
            seat.remove();
        }
    }
}
