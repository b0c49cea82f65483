//! Small writes of one worker, put off until its ready tasks have run.
//!
//! A write to a socket is the dearest thing that a proxy does, and dearer still when the receiver sleeps and has to be
//! woken for each. Here the small writes of a batch of ready connections go out one right after the other when the
//! batch is through: receivers are woken for several at once, and neither this program's code nor the kernel's grows
//! cold in between. A write waits for nothing but other work that is ready.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use futures_util::task::AtomicWaker;
use tokio::io::AsyncWrite;
use tokio::net::tcp::OwnedWriteHalf;

/// What is put off at most for one socket, in bytes. Up to about this, copying costs less than a vectored write.
const LIMIT: usize = 16 * 1024;
/// An empty buffer larger than this is given back.
const KEEP: usize = 2 * 1024;

/// The sockets of one worker that have something to send. The locks here are never contended: only the worker's own
/// thread takes them, and none across an `.await`.
#[derive(Debug, Default)]
pub struct Outbox {
    waiting: Mutex<Vec<Arc<Outgoing>>>,
    waker: AtomicWaker,
}

impl Outbox {
    /// Sends what is put in, for as long as the runtime lives. To be spawned on the worker's own runtime, where it is
    /// scheduled behind the tasks that are ready.
    pub async fn run(self: Arc<Self>) {
        let mut batch = Vec::new();
        poll_fn(|cx| {
            self.waker.register(cx.waker());
            std::mem::swap(&mut batch, &mut *lock(&self.waiting));
            for outgoing in batch.drain(..) {
                outgoing.send();
            }
            Poll::Pending
        })
        .await
    }

    fn put(&self, outgoing: Arc<Outgoing>) {
        let mut waiting = lock(&self.waiting);
        waiting.push(outgoing);
        if waiting.len() == 1 {
            drop(waiting);
            self.waker.wake();
        }
    }
}

/// The sending half of a socket.
#[derive(Debug)]
pub(super) struct Outgoing {
    socket: Mutex<Socket>,
    /// The socket is full or broken: its owner has to poll it. Beside the lock, because a parser flushes several times for
    /// each message, and as a rule has nothing to wait for.
    stuck: AtomicBool,
    /// Whoever writes, and must come back when the socket took less than there was.
    owner: AtomicWaker,
}

#[derive(Debug)]
struct Socket {
    /// `None` once it was given up.
    half: Option<OwnedWriteHalf>,
    pending: Vec<u8>,
    /// In the outbox.
    queued: bool,
}

impl Outgoing {
    pub(super) fn new(half: OwnedWriteHalf) -> Arc<Self> {
        let socket = Socket { half: Some(half), pending: Vec::new(), queued: false };
        Arc::new(Self { socket: Mutex::new(socket), stuck: AtomicBool::new(false), owner: AtomicWaker::new() })
    }

    /// Takes the bytes of `bufs` to send them with the batch when they are few; else sends what was put off and then as
    /// much of them as the socket takes. Gives how many were taken.
    pub(super) fn poll_write(
        self: &Arc<Self>,
        outbox: &Outbox,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let total: usize = bufs.iter().map(|buf| buf.len()).sum();
        let mut socket = lock(&self.socket);
        if self.is_stuck() || socket.pending.len() + total > LIMIT {
            ready!(self.poll_send(&mut socket, cx))?;
            return socket.poll_write_now(cx, bufs);
        }
        socket.pending.reserve(total);
        for buf in bufs {
            socket.pending.extend_from_slice(buf);
        }
        self.owner.register(cx.waker());
        if !std::mem::replace(&mut socket.queued, true) {
            drop(socket);
            outbox.put(self.clone());
        }
        Poll::Ready(Ok(total))
    }

    /// Ready when nothing is left that the outbox could not send.
    pub(super) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_stuck() { self.poll_send(&mut lock(&self.socket), cx) } else { Poll::Ready(Ok(())) }
    }

    /// Sends everything, and the end.
    pub(super) fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut socket = lock(&self.socket);
        ready!(self.poll_send(&mut socket, cx))?;
        socket.half.as_mut().map_or(Poll::Ready(Ok(())), |half| Pin::new(half).poll_shutdown(cx))
    }

    /// Sends what was put off without waiting for the outbox's turn. False when the socket does not take all of it.
    pub(super) fn finish(&self) -> bool {
        self.send();
        lock(&self.socket).pending.is_empty()
    }

    /// Gives the socket up without telling the other side that this was the end.
    pub(super) fn abandon(&self) {
        if let Some(half) = lock(&self.socket).half.take() {
            half.forget();
        }
    }

    /// The outbox's turn. What the socket does not take, for now or for good, is left to its owner.
    fn send(&self) {
        let mut socket = lock(&self.socket);
        socket.queued = false;
        if socket.pending.is_empty() {
            return;
        }
        let written = socket.half.as_ref().map_or(Ok(0), |half| half.try_write(&socket.pending));
        socket.sent(written.unwrap_or(0));
        let stuck = !socket.pending.is_empty();
        self.stuck.store(stuck, Relaxed);
        if stuck {
            drop(socket);
            self.owner.wake();
        }
    }

    /// Sends what was put off. Rare beside what goes with the batch.
    #[cold]
    fn poll_send(&self, socket: &mut Socket, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(socket.poll_send(cx))?;
        self.stuck.store(false, Relaxed);
        Poll::Ready(Ok(()))
    }

    fn is_stuck(&self) -> bool {
        self.stuck.load(Relaxed)
    }
}

impl Socket {
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.pending.is_empty() {
            let half = self.half.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
            let written = ready!(Pin::new(half).poll_write(cx, &self.pending))?;
            self.sent(written);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write_now(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let half = Pin::new(self.half.as_mut().ok_or(io::ErrorKind::BrokenPipe)?);
        match bufs {
            [single] => half.poll_write(cx, single),
            _ => half.poll_write_vectored(cx, bufs),
        }
    }

    fn sent(&mut self, bytes: usize) {
        if bytes < self.pending.len() {
            self.pending.drain(..bytes);
        } else {
            self.pending.clear();
            self.pending.shrink_to(KEEP);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
