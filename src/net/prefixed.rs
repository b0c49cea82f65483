//! I/O of which a part was read already.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, ReadBuf};

use super::passing::pass_writes;

/// Gives `head` first, and then what `inner` has. Writes go to `inner`.
#[derive(Debug)]
pub struct Prefixed<I> {
    head: Bytes,
    inner: I,
}

impl<I> Prefixed<I> {
    pub fn new(head: Bytes, inner: I) -> Self {
        Self { head, inner }
    }

    /// What was not read yet of the part that comes first, and the rest.
    pub fn into_parts(self) -> (Bytes, I) {
        (self.head, self.inner)
    }

    pub(super) fn is_ahead(&self) -> bool {
        !self.head.is_empty()
    }

    /// Gives `head` first from now on. Nothing may be ahead.
    pub(super) fn put_back(&mut self, head: Bytes) {
        self.head = head;
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Prefixed<I> {
    #[inline]
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.head.is_empty() {
            return Pin::new(&mut self.inner).poll_read(cx, buf);
        }
        let part = self.head.len().min(buf.remaining());
        buf.put_slice(&self.head[..part]);
        self.head.advance(part);
        Poll::Ready(Ok(()))
    }
}

pass_writes!(Prefixed);

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    #[tokio::test]
    async fn the_head_comes_first_in_pieces_as_large_as_the_reader_likes() {
        let mut io = Prefixed::new(Bytes::from_static(b"abc"), &b"def"[..]);
        let mut two = [0; 2];
        io.read_exact(&mut two).await.unwrap();
        assert_eq!(&two, b"ab");
        let mut rest = Vec::new();
        io.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"cdef");
    }
}
