//! A TCP stream that tells a witness what moves, and writes small messages in one piece.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Up to this many bytes, copying the pieces of a message together costs less than a vectored write.
const JOIN: usize = 8 * 1024;

/// Learns of every byte that a [`Stream`] moves. Called on the request path: must not block.
pub trait Witness {
    fn read(&self, bytes: usize);
    fn written(&self, bytes: usize);

    /// Whether the other side was promised more than it got. Asked once, when the stream is dropped.
    fn owes(&self) -> bool {
        false
    }
}

/// A TCP stream whose vectored writes are joined into one plain write while they are small (see `JOIN`), and passed on
/// as they are above that, so that large bodies are not copied.
///
/// Dropped while the witness owes something, it resets the connection: where the end of the connection is what ends a
/// message, a plain close would make the part look like the whole.
#[derive(Debug)]
pub struct Stream<W: Witness> {
    tcp: TcpStream,
    witness: W,
}

impl<W: Witness> Stream<W> {
    /// Turns Nagle's algorithm off: a message is written whole.
    pub fn new(tcp: TcpStream, witness: W) -> Self {
        if let Err(error) = tcp.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY could not be set");
        }
        Self { tcp, witness }
    }
}

impl<W: Witness> Drop for Stream<W> {
    fn drop(&mut self) {
        if self.witness.owes()
            && let Err(error) = self.tcp.set_zero_linger()
        {
            tracing::debug!(%error, "the connection is closed, not reset");
        }
    }
}

impl<W: Witness + Unpin> AsyncRead for Stream<W> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.tcp).poll_read(cx, buf);
        let bytes = buf.filled().len() - before;
        if bytes > 0 {
            self.witness.read(bytes);
        }
        polled
    }
}

impl<W: Witness + Unpin> AsyncWrite for Stream<W> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.tcp).poll_write(cx, buf);
        self.witness_write(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let total: usize = bufs.iter().map(|buf| buf.len()).sum();
        let polled = match bufs {
            [single] => Pin::new(&mut self.tcp).poll_write(cx, single),
            _ if total <= JOIN => {
                let mut joined = Vec::with_capacity(total);
                for buf in bufs {
                    joined.extend_from_slice(buf);
                }
                Pin::new(&mut self.tcp).poll_write(cx, &joined)
            }
            _ => Pin::new(&mut self.tcp).poll_write_vectored(cx, bufs),
        };
        self.witness_write(polled)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

impl<W: Witness> Stream<W> {
    fn witness_write(&self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = polled {
            self.witness.written(bytes);
        }
        polled
    }
}
