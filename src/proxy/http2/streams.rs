//! The requests that run at once on one connection, and their deadlines.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use super::super::guest::Guest;
use super::super::handler::Client;
use super::super::pace::Pace;
use super::super::worker::Worker;
use super::tunnel::{Sender, run as run_tunnel};
use crate::metrics::Refused;

/// How long a client without requests may take to close its connection once it was told to go, in nanoseconds.
const GOODBYE: u64 = 3_000_000_000;

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
    seats: Vec<Option<Arc<Pace>>>,
    free: Vec<usize>,
    /// Of the request that the service was called with and that is not running yet.
    next: Option<Seat>,
    /// Of the request that has just been granted a tunnel.
    sender: Option<Sender>,
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

/// One stream's place among those of its connection, until it is dropped.
struct Seat {
    streams: Arc<Streams>,
    client: Arc<Client>,
    number: usize,
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

    /// The client of a request that begins. Its future is to be [run](Self::run) next.
    pub(super) fn begin(self: &Arc<Self>) -> Arc<Client> {
        let pace = Arc::new(Pace::of_stream(&self.pace));
        let client = Client::new(self.worker.clone(), pace.clone(), self.guest.clone());
        let mut open = self.lock();
        let number = open.free.pop().unwrap_or(open.seats.len());
        if number == open.seats.len() {
            open.seats.push(None);
        }
        open.seats[number] = Some(pace);
        open.next = Some(Seat { streams: self.clone(), client: client.clone(), number });
        client
    }

    /// Runs the stream of the request that has begun last, as a task of the worker, and what follows on its answer. It
    /// ends early when a deadline is missed after its answer has begun, which resets it.
    ///
    /// When no request has begun, `stream` is what sends over the one that is being polled, whose answer was an
    /// upgrade.
    pub(super) fn run(&self, stream: impl Future<Output = ()> + Send + 'static) {
        let mut open = self.lock();
        let Some(seat) = open.next.take() else {
            open.sender = Some(Box::pin(stream));
            return;
        };
        drop(open);
        self.worker.spawn_uncounted(async move {
            let client = &seat.client;
            until_cut(&client.pace, pin!(stream)).await;
            if let Some(tunnel) = client.tunnel.take()
                && let Some(sender) = seat.streams.take_sender()
            {
                // Boxed: the other streams need not be as large.
                Box::pin(until_cut(&client.pace, pin!(run_tunnel(*tunnel, sender, &client.pace)))).await;
            }
        });
    }

    fn take_sender(&self) -> Option<Sender> {
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
        for pace in self.lock().seats.iter().flatten() {
            idle = false;
            if pace.deadline() <= now {
                if let Some(limit) = pace.fault() {
                    self.worker.metrics.refused.count(limit);
                }
                pace.miss();
            }
            next = next.min(pace.deadline());
        }
        if idle {
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
        let idle_by = self.pace.now() + patience;
        self.idle_by.store(idle_by, Relaxed);
        self.pace.look_by(idle_by);
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs a part of a stream until it ends or a deadline is missed.
async fn until_cut(pace: &Pace, mut part: Pin<&mut impl Future<Output = ()>>) {
    poll_fn(|cx| {
        pace.belong_to(cx.waker());
        if pace.is_cut() { Poll::Ready(()) } else { part.as_mut().poll(cx) }
    })
    .await;
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut open = self.streams.lock();
        open.seats[self.number] = None;
        open.free.push(self.number);
        let last = open.free.len() == open.seats.len();
        drop(open);
        if last {
            self.streams.rest();
        }
    }
}
