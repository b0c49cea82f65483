//! I/O whose end is noticed while its reader has no use for more.
//!
//! A client that goes away takes its request with it. hyper would find out by reading on, for which it makes a buffer of
//! its own ready each time, because the request still lies in the last one. Here one looks into a few bytes, whenever the
//! parser has done what it can and flushes.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::prefixed::Prefixed;

/// What is read ahead at most, in bytes. Only who does not wait for an answer sends anything meanwhile.
const FEW: usize = 512;

/// Looks for the end while `answering` holds. A flush fails when it has come; what comes instead is read later.
pub struct Lookout<I, F> {
    io: Prefixed<I>,
    answering: F,
}

impl<I, F: Fn() -> bool> Lookout<I, F> {
    pub fn new(io: I, answering: F) -> Self {
        Self { io: Prefixed::new(Bytes::new(), io), answering }
    }

    /// With what was read ahead.
    pub fn into_inner(self) -> Prefixed<I> {
        self.io
    }
}

impl<I: AsyncRead + Unpin, F> Lookout<I, F> {
    /// # Errors
    /// The end.
    fn look(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let mut few = [const { MaybeUninit::uninit() }; FEW];
        let mut buf = ReadBuf::uninit(&mut few);
        match Pin::new(&mut self.io).poll_read(cx, &mut buf) {
            Poll::Pending => {}
            Poll::Ready(read) => {
                read?;
                if buf.filled().is_empty() {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                self.io.put_back(Bytes::copy_from_slice(buf.filled()));
            }
        }
        Ok(())
    }
}

impl<I: AsyncRead + Unpin, F: Unpin> AsyncRead for Lookout<I, F> {
    #[inline]
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin, F: Fn() -> bool + Unpin> AsyncWrite for Lookout<I, F> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        if !self.io.is_ahead() && (self.answering)() {
            self.look(cx)?;
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn the_end_is_noticed_only_while_an_answer_is_awaited() {
        let (there, here) = tokio::io::duplex(64);
        let answering = std::cell::Cell::new(false);
        let mut io = Lookout::new(here, || answering.get());
        drop(there);
        io.flush().await.unwrap();
        answering.set(true);
        assert_eq!(io.flush().await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[tokio::test]
    async fn what_comes_meanwhile_is_read_later_and_in_order() {
        let (mut there, here) = tokio::io::duplex(64);
        let mut io = Lookout::new(here, || true);
        io.flush().await.unwrap();
        there.write_all(b"ab").await.unwrap();
        io.flush().await.unwrap();
        there.write_all(b"cd").await.unwrap();
        drop(there);
        io.flush().await.unwrap();
        let mut all = Vec::new();
        io.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, b"abcd");
    }
}
