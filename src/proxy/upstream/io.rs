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
    heard: Arc<Heard>,
    /// Told whenever something came, if anybody wants to know.
    arrival: Option<Arc<Notify>>,
    _meter: Meter,
}

enum Socket {
    Tcp(Stream<Arc<Heard>>),
    Other(Box<dyn Other>),
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
    /// `heard` is told what comes.
    pub(in crate::proxy) fn tcp(stream: Stream<Arc<Heard>>, heard: Arc<Heard>, meter: Meter) -> Self {
        Self { socket: Socket::Tcp(stream), heard, arrival: None, _meter: meter }
    }

    pub(in crate::proxy) fn other(other: Box<dyn Other>, heard: Arc<Heard>, meter: Meter) -> Self {
        Self { socket: Socket::Other(other), heard, arrival: None, _meter: meter }
    }
}

impl Io {
    /// From now on whatever comes is told.
    pub(super) fn announce(&mut self, arrival: Arc<Notify>) {
        self.arrival = Some(arrival);
    }

    /// Asks the socket.
    fn ask(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = match &mut self.socket {
            Socket::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Socket::Other(other) => Pin::new(other).poll_read(cx, buf),
        };
        if polled.is_pending() {
            self.heard.nothing();
        }
        if buf.filled().len() > before {
            self.heard.something();
            if let Some(arrival) = &self.arrival {
                arrival.notify_one();
            }
        }
        polled
    }
}

impl AsyncRead for Io {
    #[inline]
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.heard.is_silent() { Poll::Pending } else { self.get_mut().ask(cx, buf) }
    }
}

impl AsyncWrite for Io {
    #[inline]
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().socket {
            Socket::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Socket::Other(other) => Pin::new(other).poll_write(cx, buf),
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
            Socket::Other(other) => Pin::new(other).poll_write_vectored(cx, bufs),
        }
    }

    #[inline]
    fn is_write_vectored(&self) -> bool {
        match &self.socket {
            Socket::Tcp(stream) => stream.is_write_vectored(),
            Socket::Other(other) => other.is_write_vectored(),
        }
    }

    #[inline]
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().socket {
            Socket::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Socket::Other(other) => Pin::new(other).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().socket {
            Socket::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Socket::Other(other) => Pin::new(other).poll_shutdown(cx),
        }
    }
}

/// What is known of what a backend sends over a connection. Only the threads of one worker touch it.
#[derive(Debug, Default)]
pub(in crate::proxy) struct Heard {
    /// How often it has sent something.
    times: AtomicU64,
    /// The backend is to see that the connection did not end properly.
    broken: AtomicBool,
    /// Reads are for a waker that tells [`Heard::stir`].
    listening: AtomicBool,
    /// There was nothing to read, and that waker has not been woken since.
    silent: AtomicBool,
}

impl Heard {
    pub(super) fn break_off(&self) {
        self.broken.store(true, Relaxed);
    }

    pub(super) fn count(&self) -> u64 {
        self.times.load(Relaxed)
    }

    /// What is read by `read` is read for a waker that tells [`Heard::stir`] when it is woken. A parser asks for more
    /// several times for each message; the socket need not be asked before it has news.
    pub(super) fn listen<T>(&self, read: impl FnOnce() -> T) -> T {
        self.listening.store(true, Relaxed);
        let done = read();
        self.listening.store(false, Relaxed);
        done
    }

    /// There may be something to read.
    pub(super) fn stir(&self) {
        self.silent.store(false, Relaxed);
    }

    fn is_silent(&self) -> bool {
        self.silent.load(Relaxed) && self.listening.load(Relaxed)
    }

    fn nothing(&self) {
        self.silent.store(self.listening.load(Relaxed), Relaxed);
    }

    fn something(&self) {
        self.times.store(self.times.load(Relaxed).wrapping_add(1), Relaxed);
    }
}

impl Witness for Arc<Heard> {
    fn read(&self, _bytes: usize) {}

    fn written(&self, _bytes: usize) {}

    fn owes(&self) -> bool {
        self.broken.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_without_news_is_not_asked_again_for_the_waker_that_would_know() {
        let heard = Heard::default();
        heard.listen(|| heard.nothing());
        assert!(heard.listen(|| heard.is_silent()));
        assert!(!heard.is_silent(), "another waker has to be registered");
        heard.stir();
        assert!(!heard.listen(|| heard.is_silent()));
        heard.nothing();
        assert!(!heard.listen(|| heard.is_silent()), "that was for another waker");
    }
}
