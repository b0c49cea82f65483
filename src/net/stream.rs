//! A TCP stream that tells a witness what moves, and sends small messages with the batch that they belong to.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;

use super::outbox::{Outbox, Outgoing};

/// Learns of every byte that a [`Stream`] moves. Called on the request path: must not block.
pub trait Witness {
    fn read(&self, bytes: usize);
    fn written(&self, bytes: usize);

    /// The socket takes nothing because the other side does not (`true`), or takes something again.
    fn waits(&self, _waits: bool) {}

    /// The end was sent. Whether what the other side still sends is read and dropped until it ends, too: to close over it
    /// would reset the connection, and with it what was sent last may be lost. Whoever says so bounds the time.
    fn lingers(&self) -> bool {
        false
    }

    /// Whether the other side was promised more than it got. Asked once, when the stream is dropped.
    fn owes(&self) -> bool {
        false
    }
}

/// Nobody wants to know.
impl Witness for () {
    fn read(&self, _bytes: usize) {}

    fn written(&self, _bytes: usize) {}
}

/// A TCP stream that puts small writes into an [`Outbox`], and passes large ones on as they are, so that large bodies
/// are not copied.
///
/// Dropped while the witness owes something, or while the socket does not take what is to be sent, it resets the
/// connection: where the end of the connection is what ends a message, a plain close would make the part look like the
/// whole.
#[derive(Debug)]
pub struct Stream<W: Witness> {
    incoming: OwnedReadHalf,
    outgoing: Arc<Outgoing>,
    outbox: Arc<Outbox>,
    witness: W,
    /// The last write or flush has to wait: not everything is sent.
    blocked: bool,
    /// The end was sent, and what still comes is read and dropped.
    lingering: bool,
}

impl<W: Witness> Stream<W> {
    /// Turns Nagle's algorithm off: a message is written whole. `outbox` is that of the worker whose task this stream
    /// belongs to.
    pub fn new(tcp: TcpStream, witness: W, outbox: Arc<Outbox>) -> Self {
        if let Err(error) = tcp.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY could not be set");
        }
        let (incoming, half) = tcp.into_split();
        Self { incoming, outgoing: Outgoing::new(half), outbox, witness, blocked: false, lingering: false }
    }
}

impl<W: Witness> Stream<W> {
    /// Reads and drops until the other side has ended.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut dropped = [const { MaybeUninit::uninit() }; 4096];
        loop {
            let mut buf = ReadBuf::uninit(&mut dropped);
            match ready!(Pin::new(&mut self.incoming).poll_read(cx, &mut buf)) {
                Ok(()) if !buf.filled().is_empty() => {}
                _ => return Poll::Ready(Ok(())),
            }
        }
    }

    fn note<T>(&mut self, polled: &Poll<T>) {
        let blocked = polled.is_pending();
        if blocked || self.blocked {
            self.witness.waits(blocked);
        }
        self.blocked = blocked;
    }
}

impl<W: Witness> Drop for Stream<W> {
    fn drop(&mut self) {
        if self.witness.owes() || self.blocked || !self.outgoing.finish() {
            self.outgoing.abandon();
            if let Err(error) = self.incoming.as_ref().set_zero_linger() {
                tracing::debug!(%error, "the connection is closed, not reset");
            }
        }
    }
}

impl<W: Witness + Unpin> AsyncRead for Stream<W> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.incoming).poll_read(cx, buf);
        let bytes = buf.filled().len() - before;
        if bytes > 0 {
            self.witness.read(bytes);
        }
        polled
    }
}

impl<W: Witness + Unpin> AsyncWrite for Stream<W> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = self.outgoing.poll_write(&self.outbox, cx, bufs);
        if let Poll::Ready(Ok(bytes)) = polled {
            self.witness.written(bytes);
        }
        self.note(&polled);
        polled
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = self.outgoing.poll_flush(cx);
        self.note(&polled);
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.outgoing.poll_shutdown(cx))?;
        self.lingering = self.lingering || self.witness.lingers();
        if self.lingering { self.poll_linger(cx) } else { Poll::Ready(Ok(())) }
    }
}
