//! What is left of a request that was upgraded: bytes both ways, until both ends have closed.

use std::io;
use std::pin::Pin;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use hyper::upgrade::OnUpgrade;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional_with_sizes};

use super::exchange::Exchange;
use super::upstream::Switched;

/// What is read at a time, in bytes: most messages fit, and tunnels are many.
const BUFFER: usize = 8 * 1024;

/// Both ends of a tunnel that is about to begin.
pub(super) struct Tunnel {
    /// What it goes over on the client's side, if that is not the connection itself.
    pub(super) stream: Option<OnUpgrade>,
    ends: Ends<()>,
}

/// Closed in this order: the backend has room for another connection once the exchange is over.
struct Ends<I> {
    backend: Switched,
    client: Watched<I>,
}

/// The client's side. Everything that goes through the tunnel goes by here.
struct Watched<I> {
    io: I,
    exchange: Exchange,
}

impl Tunnel {
    pub(super) fn new(backend: Switched, exchange: Exchange, stream: Option<OnUpgrade>) -> Self {
        Self { stream, ends: Ends { backend, client: Watched { io: (), exchange } } }
    }

    /// Moves bytes until both ends have closed, or one has broken. Neither side is told of the end of the other before
    /// it has got what that sent.
    ///
    /// Dropped, it closes both ends.
    pub(super) async fn run(self, io: impl AsyncRead + AsyncWrite + Unpin) {
        let Ends { backend, client: Watched { exchange, .. } } = self.ends;
        let mut ends = Closing(Ends { backend, client: Watched { io, exchange } });
        let Ends { backend, client } = &mut ends.0;
        if let Err(error) = copy_bidirectional_with_sizes(client, backend, BUFFER, BUFFER).await {
            tracing::debug!(%error, "a tunnel broke");
            client.exchange.break_off();
        }
    }
}

/// Lets both ends know how the tunnel has ended.
struct Closing<I>(Ends<I>);

impl<I> Drop for Closing<I> {
    fn drop(&mut self) {
        self.0.client.exchange.close_tunnel();
    }
}

/// Where a request leaves its tunnel for the connection or the stream that it came on. The lock is never contended:
/// only the worker's own thread takes it.
#[derive(Default)]
pub(super) struct Slot {
    asked: AtomicBool,
    tunnel: Mutex<Option<Box<Tunnel>>>,
}

impl Slot {
    /// The request at hand asks for an upgrade (`true`), or has got its answer.
    pub(super) fn ask(&self, asked: bool) {
        self.asked.store(asked, Relaxed);
    }

    /// Whether the answer to come may be an upgrade.
    pub(super) fn is_asked(&self) -> bool {
        self.asked.load(Relaxed)
    }

    pub(super) fn put(&self, tunnel: Tunnel) {
        *self.lock() = Some(Box::new(tunnel));
    }

    /// The tunnel that has been put here.
    pub(super) fn take(&self) -> Option<Box<Tunnel>> {
        self.lock().take()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Box<Tunnel>>> {
        self.tunnel.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Watched<I> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.exchange.tunnelled(0);
        }
        polled
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Watched<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write(cx, buf);
        if let Poll::Ready(Ok(bytes)) = polled {
            self.exchange.tunnelled(bytes);
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.exchange.hang_up();
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
