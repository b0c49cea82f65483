//! An HTTP/2 connection to a backend, shared by the requests of one worker.
//!
//! hyper drives it in tasks of its own, which end when nobody holds the connection any more and its streams are over.
//! There are no pings: a gRPC server takes them for abuse when nothing else moves, and closes. That a host is dead is
//! seen by TCP, and that a process hangs by requests that miss their time (see [`Http2::missed`]).

use std::error::Error as _;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Instant;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, Connection, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::sync::Notify;

use super::super::upload::Upload;
use super::{Fate, Heard, Io, Owner, Unanswered};

/// Most requests that go over one connection at a time, whatever the backend allows.
const STREAMS: u32 = 100;
/// What a backend may send of one response that its client has not read, in bytes.
const STREAM_WINDOW: u32 = 256 * 1024;
/// The same for all responses of a connection. No less than the windows of all its streams: clients that do not read
/// must not keep the others' responses back.
const CONNECTION_WINDOW: u32 = STREAMS * STREAM_WINDOW;
/// What is taken of a request's body before the backend takes it, in bytes.
const SEND_BUFFER: usize = 64 * 1024;
/// The fields of a response together, in bytes.
const MAX_HEAD: u32 = 64 * 1024;
/// Streams that were reset and are remembered, for what is still on its way to them.
const RESETS: usize = 128;

type Driver = Connection<TokioIo<Io>, Upload, TokioExecutor>;

/// A connection that requests take streams of.
pub(in crate::proxy) struct Shared {
    sender: SendRequest<Upload>,
    opened: Instant,
    heard: Arc<Heard>,
    pub(in crate::proxy) owner: Owner,
    driver: Arc<Mutex<Option<Driver>>>,
    active: AtomicU32,
    /// A request has used it.
    used: AtomicBool,
    /// It takes no further request.
    retired: AtomicBool,
}

/// One request's stream of a [`Shared`] connection. Dropped, it gives its place back.
pub(in crate::proxy) struct Http2 {
    shared: Arc<Shared>,
    /// It is not the first of its connection.
    pub(super) reused: bool,
    /// What had been heard when the request began.
    before: u64,
}

impl Shared {
    /// Waits for the backend's settings, so that no request is sent that has to wait for a stream. The future is boxed:
    /// connecting is rare. Cancel safe: dropped, it ends the connection.
    ///
    /// # Errors
    /// The backend does not speak HTTP/2, or has ended the connection.
    pub(in crate::proxy) fn open(
        mut io: Io,
        heard: Arc<Heard>,
        owner: Owner,
    ) -> Pin<Box<dyn Future<Output = io::Result<Arc<Self>>> + Send>> {
        Box::pin(async move {
            let arrival = Arc::new(Notify::new());
            io.announce(arrival.clone());
            let mut builder = Builder::new(TokioExecutor::new());
            builder
                .timer(TokioTimer::new())
                .initial_stream_window_size(STREAM_WINDOW)
                .initial_connection_window_size(CONNECTION_WINDOW)
                .max_header_list_size(MAX_HEAD)
                // None before it has said how many.
                .initial_max_send_streams(0)
                .max_send_buf_size(SEND_BUFFER)
                .max_concurrent_reset_streams(RESETS);
            let (sender, driver) = builder.handshake(TokioIo::new(io)).await.map_err(io::Error::other)?;
            let driver = Arc::new(Mutex::new(Some(driver)));
            tokio::spawn(drive(driver.clone(), arrival.clone()));
            while lock(&driver).as_ref().ok_or(io::ErrorKind::InvalidData)?.current_max_send_streams() == 0 {
                arrival.notified().await;
            }
            Ok(Arc::new(Self {
                sender,
                opened: Instant::now(),
                heard,
                owner,
                driver,
                active: AtomicU32::new(0),
                used: AtomicBool::new(false),
                retired: AtomicBool::new(false),
            }))
        })
    }

    /// Whether one more request can go over it now.
    pub(in crate::proxy) fn has_room(&self) -> bool {
        let driver = lock(&self.driver);
        let allowed = driver.as_ref().map_or(0, Driver::current_max_send_streams);
        (self.active.load(Relaxed) as usize) < allowed.min(STREAMS as usize) && !self.is_closed()
    }

    pub(in crate::proxy) fn is_idle(&self) -> bool {
        self.active.load(Relaxed) == 0
    }

    pub(in crate::proxy) fn active(&self) -> u32 {
        self.active.load(Relaxed)
    }

    pub(in crate::proxy) fn opened(&self) -> Instant {
        self.opened
    }

    pub(in crate::proxy) fn is_closed(&self) -> bool {
        self.retired.load(Relaxed) || self.sender.is_closed()
    }

    /// A stream, whether there is room or not: without it the request waits inside for one to end.
    pub(in crate::proxy) fn stream(self: &Arc<Self>) -> Http2 {
        self.active.fetch_add(1, Relaxed);
        Http2 { shared: self.clone(), reused: self.used.swap(true, Relaxed), before: 0 }
    }
}

impl Http2 {
    pub(super) fn retire(&self) {
        self.shared.retired.store(true, Relaxed);
    }

    pub(super) fn send(
        &mut self,
        request: Request<Upload>,
    ) -> impl Future<Output = Result<Response<Incoming>, Unanswered>> + use<> {
        self.before = self.shared.heard.count();
        self.shared.sender.clone().try_send_request(request)
    }

    /// What became of a request that ended in `error`. Where the connection is at fault, it takes no further ones.
    pub(super) fn fate(&self, error: &hyper::Error) -> Fate {
        let Some(error) = error.source().and_then(|source| source.downcast_ref::<h2::Error>()) else {
            // It was over before the request was looked at.
            self.retire();
            return Fate::Silent;
        };
        if error.is_io() || error.is_go_away() {
            self.retire();
        }
        let refused = error.is_go_away() || error.reason() == Some(h2::Reason::REFUSED_STREAM);
        match error {
            // A GOAWAY ends only those requests that come after the last one that was looked at.
            error if error.is_remote() && refused => Fate::Refused,
            error if error.is_io() => Fate::Silent,
            _ => Fate::Heard,
        }
    }

    /// A request missed its time. If nothing at all came since it began, the connection may be dead: the next request
    /// opens another.
    pub(super) fn missed(&self) {
        if self.shared.heard.count() == self.before {
            self.retire();
        }
    }
}

/// Gives requests that were taken up but not sent back when it ends. The lock is never contended: only tasks of one
/// worker take it, and none across an `.await`.
async fn drive(driver: Arc<Mutex<Option<Driver>>>, arrival: Arc<Notify>) {
    let ended = poll_fn(|cx| match lock(&driver).as_mut() {
        Some(driver) => Pin::new(driver).poll(cx),
        None => Poll::Ready(Ok(())),
    });
    if let Err(error) = ended.await {
        tracing::debug!(%error, "backend connection ended");
    }
    let ended = lock(&driver).take();
    drop(ended);
    arrival.notify_one();
}

fn lock(driver: &Mutex<Option<Driver>>) -> MutexGuard<'_, Option<Driver>> {
    driver.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Http2 {
    fn drop(&mut self) {
        self.shared.active.fetch_sub(1, Relaxed);
    }
}
