//! What a connection to a backend moves its bytes over.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

use crate::metrics::Open;
use crate::net::stream::{Stream, Witness};
use crate::table::Room;

/// Plain TCP, which most are, or anything else. It counts as a connection of its backend until it is dropped.
pub(in crate::proxy) struct Io {
    socket: Socket,
    /// Told whenever something came, if anybody wants to know.
    arrival: Option<Arc<Notify>>,
    _meter: Meter,
}

enum Socket {
    Tcp(Stream<Arc<Heard>>),
    Other(Box<dyn Other>, Arc<Heard>),
}

/// What counts an open connection.
pub(in crate::proxy) struct Meter {
    pub(in crate::proxy) _open: Open,
    pub(in crate::proxy) _room: Option<Room>,
}

/// TLS, or a unix socket.
pub(in crate::proxy) trait Other: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Other for T {}

impl Io {
    pub(in crate::proxy) fn tcp(stream: Stream<Arc<Heard>>, meter: Meter) -> Self {
        Self { socket: Socket::Tcp(stream), arrival: None, _meter: meter }
    }

    /// `heard` is told what comes.
    pub(in crate::proxy) fn other(other: Box<dyn Other>, heard: Arc<Heard>, meter: Meter) -> Self {
        Self { socket: Socket::Other(other, heard), arrival: None, _meter: meter }
    }
}

impl Io {
    /// From now on whatever comes is told.
    pub(super) fn announce(&mut self, arrival: Arc<Notify>) {
        self.arrival = Some(arrival);
    }
}

impl AsyncRead for Io {
    #[inline]
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let polled = match &mut this.socket {
            Socket::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Socket::Other(other, heard) => {
                let polled = Pin::new(other).poll_read(cx, buf);
                if buf.filled().len() > before {
                    heard.read(buf.filled().len() - before);
                }
                polled
            }
        };
        if let Some(arrival) = &this.arrival
            && buf.filled().len() > before
        {
            arrival.notify_one();
        }
        polled
    }
}

impl AsyncWrite for Io {
    #[inline]
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().socket {
            Socket::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Socket::Other(other, _) => Pin::new(other).poll_write(cx, buf),
        }
    }

    #[inline]
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().socket {
            Socket::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Socket::Other(other, _) => Pin::new(other).poll_write_vectored(cx, bufs),
        }
    }

    #[inline]
    fn is_write_vectored(&self) -> bool {
        match &self.socket {
            Socket::Tcp(stream) => stream.is_write_vectored(),
            Socket::Other(other, _) => other.is_write_vectored(),
        }
    }

    #[inline]
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().socket {
            Socket::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Socket::Other(other, _) => Pin::new(other).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().socket {
            Socket::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Socket::Other(other, _) => Pin::new(other).poll_shutdown(cx),
        }
    }
}

/// How often a backend has sent something over a connection. Only the threads of one worker touch it.
#[derive(Debug, Default)]
pub(in crate::proxy) struct Heard {
    times: AtomicU64,
    /// The backend is to see that the connection did not end properly.
    broken: AtomicBool,
}

impl Heard {
    pub(super) fn break_off(&self) {
        self.broken.store(true, Relaxed);
    }

    pub(super) fn count(&self) -> u64 {
        self.times.load(Relaxed)
    }
}

impl Witness for Arc<Heard> {
    #[inline]
    fn read(&self, _bytes: usize) {
        self.times.store(self.times.load(Relaxed).wrapping_add(1), Relaxed);
    }

    fn written(&self, _bytes: usize) {}

    fn owes(&self) -> bool {
        self.broken.load(Relaxed)
    }
}
