//! An HTTP/2 connection to a backend, shared by the requests of one worker.
//!
//! hyper drives it in tasks of its own, which end when nobody holds the connection any more and its streams are over.
//! There are no pings: a gRPC server takes them for abuse when nothing else moves, and closes. That a host is dead is
//! seen by TCP, and that a process hangs by requests that miss their time (see [`Http2::missed`]).

use std::error::Error as _;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize};
use std::time::Instant;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};

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

/// A connection that requests take streams of.
pub(in crate::proxy) struct Shared {
    sender: SendRequest<Upload>,
    opened: Instant,
    heard: Arc<Heard>,
    pub(in crate::proxy) owner: Owner,
    /// What the backend allows at a time.
    allowed: Arc<AtomicUsize>,
    active: AtomicU32,
    /// It takes no further request.
    retired: AtomicBool,
}

/// One request's stream of a [`Shared`] connection. Dropped, it gives its place back.
pub(in crate::proxy) struct Http2 {
    shared: Arc<Shared>,
    /// What had been heard when the request began.
    before: u64,
}

impl Shared {
    /// Boxed, and so is the future: connecting is rare.
    ///
    /// # Errors
    /// The connection ended while its first frames were written.
    pub(in crate::proxy) fn open(
        io: Io,
        heard: Arc<Heard>,
        owner: Owner,
    ) -> Pin<Box<dyn Future<Output = hyper::Result<Arc<Self>>> + Send>> {
        Box::pin(async move {
            let mut builder = Builder::new(TokioExecutor::new());
            builder
                .timer(TokioTimer::new())
                .initial_stream_window_size(STREAM_WINDOW)
                .initial_connection_window_size(CONNECTION_WINDOW)
                .max_header_list_size(MAX_HEAD)
                .max_send_buf_size(SEND_BUFFER)
                .max_concurrent_reset_streams(RESETS);
            let (sender, mut driver) = builder.handshake(TokioIo::new(io)).await?;
            let allowed = Arc::new(AtomicUsize::new(driver.current_max_send_streams()));
            let told = allowed.clone();
            tokio::spawn(async move {
                let ended = poll_fn(|cx| {
                    let polled = Pin::new(&mut driver).poll(cx);
                    told.store(driver.current_max_send_streams(), Relaxed);
                    polled
                });
                if let Err(error) = ended.await {
                    tracing::debug!(%error, "backend connection ended");
                }
            });
            Ok(Arc::new(Self {
                sender,
                opened: Instant::now(),
                heard,
                owner,
                allowed,
                active: AtomicU32::new(0),
                retired: AtomicBool::new(false),
            }))
        })
    }

    /// Whether one more request can go over it now.
    pub(in crate::proxy) fn has_room(&self) -> bool {
        let most = self.allowed.load(Relaxed).min(STREAMS as usize);
        (self.active.load(Relaxed) as usize) < most && !self.is_closed()
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
        Http2 { shared: self.clone(), before: 0 }
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

impl Drop for Http2 {
    fn drop(&mut self) {
        self.shared.active.fetch_sub(1, Relaxed);
    }
}
