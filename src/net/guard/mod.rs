//! Stands between a client's HTTP/1 connection and its parser, which takes more than one meaning for an answer.
//!
//! What a proxy and the server behind it read differently is how requests are smuggled (RFC 9112, 11.2). The parser in
//! use refuses most of what is unclear, but not all: it takes a line that ends with LF alone, several fields of framing
//! in one head, codings that it does not undo, and whatever stands behind a chunk's size. So a [`Scanner`] reads every
//! byte before the parser does, and knows of just enough to tell where each message ends. It leaves to the parser what
//! that refuses anyway: NUL and bare CR in a head, white space around a name, folded lines.
//!
//! - `scanner`: messages. `lines`: a head. `field`: its two fields that frame a body. `chunked`: a body in chunks.
//! - `held`: what comes later of a head that does not come at once.

mod chunked;
mod field;
mod held;
mod lines;
mod scanner;
#[cfg(test)]
mod tests;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

use self::held::Held;
use super::passing::pass_writes;
use super::preface::PREFACE;

pub use scanner::{Scanner, Violation};

/// What the parser gets in place of the byte that is wrong, and then the end of the connection. Wherever it stands but
/// in a body's own bytes, nothing takes CR and NUL for valid; the empty lines make a parser look that waits for the end
/// of a head.
const POISON: &[u8] = b"\r\0\n\n";

/// What a [`Guarded`] connection and those who use it tell each other.
#[derive(Debug, Default)]
pub struct Post {
    violated: AtomicBool,
    overlong: AtomicBool,
    tunnel: AtomicBool,
    /// How many messages have been read; 0 when a part of one is missing.
    read: AtomicU64,
    /// How many requests were taken up.
    taken: AtomicU64,
}

impl Post {
    /// Whether the client has sent something that has not one meaning. The connection is over.
    pub fn is_violated(&self) -> bool {
        self.violated.load(Relaxed)
    }

    /// One more request is being answered.
    pub fn take_up(&self) {
        self.taken.fetch_add(1, Relaxed);
    }

    /// Whether the request that was taken up last has been read whole, and nothing behind it.
    pub fn is_exhausted(&self) -> bool {
        self.read.load(Relaxed) == self.taken.load(Relaxed)
    }

    /// Whether a head has not ended where it has to. The parser has been given an error, and answers nothing.
    pub fn is_overlong(&self) -> bool {
        self.overlong.load(Relaxed)
    }

    /// From the next read on this is HTTP no longer: a request to change the protocol has been granted.
    pub fn open_tunnel(&self) {
        self.tunnel.store(true, Relaxed);
    }
}

/// The server's side of an HTTP/1 connection whose parser sees nothing that is not clear.
///
/// In place of a violation it reads as bytes that the parser refuses, and then as ended; in place of another protocol as
/// ended. Requests that came whole before it are answered; of the one with the violation nothing but a part of its body
/// can have gone on. A head that does not end within `limit` bytes behind its first piece reads as an error.
#[derive(Debug)]
pub struct Guarded<I> {
    inner: I,
    scanner: Scanner,
    post: Arc<Post>,
    /// What is left to be read of [`POISON`], once there was a violation.
    poison: Option<&'static [u8]>,
    held: Held,
    limit: usize,
    /// Something has been read.
    begun: bool,
}

impl<I> Guarded<I> {
    /// `limit`: bytes of a head.
    pub fn new(inner: I, post: Arc<Post>, limit: usize) -> Self {
        Self { inner, scanner: Scanner::default(), post, poison: None, held: Held::default(), limit, begun: false }
    }

    pub fn into_inner(self) -> I {
        self.inner
    }

    /// True once there was a violation: `buf` has as much of the poison as it can take.
    fn poison(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let Some(rest) = &mut self.poison else { return false };
        let (part, later) = rest.split_at(rest.len().min(buf.remaining()));
        buf.put_slice(part);
        *rest = later;
        true
    }

    #[cold]
    fn violate(&mut self, buf: &mut ReadBuf<'_>, at: usize) {
        self.post.violated.store(true, Relaxed);
        self.poison = Some(POISON);
        buf.set_filled(at);
        self.poison(buf);
    }

    /// Takes a later piece of a head from the parser, unless it is the last. `head` is how far the head had been read
    /// before. True: there is more to wait for.
    fn hold(&mut self, head: Scanner, buf: &mut ReadBuf<'_>, before: usize) -> io::Result<bool> {
        let piece = &buf.filled()[before..];
        let goes_on = !piece.is_empty() && self.poison.is_none() && !head.ends_head(piece);
        if !goes_on && self.held.is_empty() {
            return Ok(false);
        }
        self.held.put(piece);
        buf.set_filled(before);
        if goes_on && self.held.len() > self.limit {
            self.held = Held::default();
            self.post.overlong.store(true, Relaxed);
            return Err(io::ErrorKind::InvalidData.into());
        }
        if !goes_on {
            self.held.release();
            self.held.give(buf);
        }
        Ok(goes_on)
    }
}

impl<I: AsyncRead + Unpin> Guarded<I> {
    #[inline(always)]
    fn poll_piece(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        if !std::mem::replace(&mut self.begun, true) {
            let first = &buf.filled()[before..];
            if first.starts_with(PREFACE) {
                // HTTP/2 (RFC 9113, 3.4): the parser sees it by its first line and goes no further.
                self.post.open_tunnel();
            } else if is_foreign(first) {
                self.post.violated.store(true, Relaxed);
                self.poison = Some(&[]);
                buf.set_filled(before);
                return Poll::Ready(Ok(()));
            }
        }
        if !self.post.tunnel.load(Relaxed) {
            if let Err(Violation { at }) = self.scanner.scan(&buf.filled()[before..]) {
                self.violate(buf, before + at);
            }
            self.post.read.store(self.scanner.read().unwrap_or(0), Relaxed);
        }
        Poll::Ready(Ok(()))
    }

    /// The rest of a head that did not come at once.
    #[cold]
    fn poll_rest(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            let (before, head) = (buf.filled().len(), self.scanner);
            ready!(self.poll_piece(cx, buf))?;
            if self.post.tunnel.load(Relaxed) || !self.hold(head, buf, before)? {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Guarded<I> {
    #[inline]
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.held.give(buf) || self.poison(buf) {
            return Poll::Ready(Ok(()));
        }
        if self.scanner.is_in_head() { self.poll_rest(cx, buf) } else { self.poll_piece(cx, buf) }
    }
}

/// Whether this begins with a line that has the three words of a request or of a preface, and no version among them. A
/// preface that is none ends the connection (RFC 9113, 3.4): to a client that speaks another protocol an answer of HTTP
/// says nothing.
fn is_foreign(first: &[u8]) -> bool {
    let Some(end) = first.iter().position(|byte| *byte == b'\n') else { return false };
    let words = || first[..end].trim_ascii().split(|byte| *byte == b' ');
    let is_version = |word: &[u8]| word.get(..5).is_some_and(|name| name.eq_ignore_ascii_case(b"HTTP/"));
    words().count() == 3 && !words().any(is_version)
}

pass_writes!(Guarded);
