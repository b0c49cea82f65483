//! The I/O of an HTTP/2 connection, which looks at what the client sends before it is parsed.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::frames::Frames;
use super::streams::Streams;

/// Ends the connection at a flood: with GOAWAY and then an error for whoever reads.
pub(super) struct Inbound<I> {
    inner: I,
    frames: Frames,
    streams: Arc<Streams>,
    greeted: bool,
    in_head: bool,
    /// Everything written so far ends with a whole frame.
    between_frames: bool,
}

impl<I> Inbound<I> {
    pub(super) fn new(inner: I, streams: Arc<Streams>) -> Self {
        Self { inner, frames: Frames::new(), streams, greeted: false, in_head: false, between_frames: true }
    }

    /// Tells the streams what follows from the frames that were read.
    fn tell(&mut self) {
        if !self.greeted && self.frames.has_greeted() {
            self.greeted = true;
            self.streams.greeted();
        }
        let in_head = self.frames.is_in_head();
        if in_head != self.in_head {
            self.in_head = in_head;
            self.streams.in_head(in_head);
        }
    }
}

impl<I: AsyncWrite + Unpin> Inbound<I> {
    /// Tells the client why it is left, if that can be told at once: GOAWAY with ENHANCE_YOUR_CALM (RFC 9113, 6.8).
    fn leave(&mut self, cx: &mut Context<'_>) {
        const ENHANCE_YOUR_CALM: u32 = 0xb;
        if !self.between_frames {
            return;
        }
        let mut frame = [0, 0, 8, 0x7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        frame[9..13].copy_from_slice(&self.frames.last_stream().to_be_bytes());
        frame[13..].copy_from_slice(&ENHANCE_YOUR_CALM.to_be_bytes());
        // A client that takes nothing is not told.
        let _ = Pin::new(&mut self.inner).poll_write(cx, &frame);
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncRead for Inbound<I> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let me = &mut *self;
        let before = buf.filled().len();
        let polled = Pin::new(&mut me.inner).poll_read(cx, buf);
        let read = &buf.filled()[before..];
        if read.is_empty() {
            return polled;
        }
        if me.frames.read(read, || me.streams.now()).is_err() {
            me.streams.flooded();
            me.leave(cx);
            buf.set_filled(before);
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        me.tell();
        polled
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Inbound<I> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.between_frames = false;
        let polled = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        if let Poll::Ready(Ok(bytes)) = polled {
            self.frames.wrote(bytes);
        }
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    /// Called only with nothing left to write.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.between_frames = true;
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
