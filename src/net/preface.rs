//! Holds back the beginning of an HTTP/2 preface until it is whole or turns out to be something else.
//!
//! A parser of HTTP/1.1 that sees all of the preface knows what it is; one that sees half of it takes it for a mistake.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

use super::passing::pass_writes;

/// What an HTTP/2 client sends first (RFC 9113, 3.4).
pub(super) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// I/O whose first read never ends within the preface. Whatever is no preface passes without being copied.
#[derive(Debug)]
pub struct Preface<I> {
    inner: I,
    /// How many bytes of the preface are held back; they need not be kept, because they are known.
    held: usize,
    /// No preface can come any more.
    decided: bool,
}

impl<I> Preface<I> {
    pub fn new(inner: I) -> Self {
        Self { inner, held: 0, decided: false }
    }

    /// Nothing is held back when a preface was found.
    pub fn into_inner(self) -> I {
        self.inner
    }
}

impl<I: AsyncRead + Unpin> Preface<I> {
    /// Needs room for a whole preface in `buf`, which the first read of a message has.
    fn poll_first(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        loop {
            buf.put_slice(&PREFACE[..self.held]);
            let had = buf.filled().len();
            let polled = Pin::new(&mut self.inner).poll_read(cx, buf);
            let read = &buf.filled()[before..];
            let ended = polled.is_ready() && buf.filled().len() == had;
            if !ended && read.len() < PREFACE.len() && PREFACE.starts_with(read) {
                self.held = read.len();
                buf.set_filled(before);
                ready!(polled)?;
                continue;
            }
            self.decided = true;
            return polled;
        }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Preface<I> {
    #[inline]
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.decided || buf.remaining() < PREFACE.len() {
            return Pin::new(&mut self.inner).poll_read(cx, buf);
        }
        self.poll_first(cx, buf)
    }
}

pass_writes!(Preface);

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// What the reads give when these pieces come one by one.
    async fn reads(pieces: &[&[u8]]) -> Vec<Vec<u8>> {
        let (mut there, here) = tokio::io::duplex(1024);
        let mut io = Preface::new(here);
        let mut reads = Vec::new();
        let mut buffer = [0; 100];
        for piece in pieces {
            there.write_all(piece).await.unwrap();
            let read = io.read(&mut buffer);
            if let Ok(read) = tokio::time::timeout(std::time::Duration::from_millis(1), read).await {
                reads.push(buffer[..read.unwrap()].to_vec());
            }
        }
        drop(there);
        let mut rest = Vec::new();
        io.read_to_end(&mut rest).await.unwrap();
        reads.push(rest);
        reads
    }

    #[tokio::test(start_paused = true)]
    async fn a_preface_in_pieces_comes_as_one() {
        let mut all = PREFACE.to_vec();
        all.extend_from_slice(b"more");
        assert_eq!(reads(&[&all[..1], &all[1..18], &all[18..]]).await, [all, Vec::new()]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_no_preface_comes_at_once() {
        assert_eq!(reads(&[b"GE", b"T /"]).await, [&b"GE"[..], b"T /", b""]);
        assert_eq!(reads(&[b"P", b"UT /", b"PRI"]).await, [&b"PUT /"[..], b"PRI", b""]);
    }

    #[tokio::test(start_paused = true)]
    async fn half_a_preface_and_an_end_is_what_it_is() {
        assert_eq!(reads(&[b"PRI * "]).await, [&b"PRI * "[..]]);
    }
}
