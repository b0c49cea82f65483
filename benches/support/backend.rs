//! Three backends that cost next to nothing: two stable, one canary.
//!
//! They answer by the path, from bytes prepared beforehand, and note when a request arrives. They understand
//! just enough HTTP for a proxy that sends requests without a body or, by POST, with a length.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use anyhow::{Context as _, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::CancellationToken;

use super::answers::Answers;
use super::{clock, port};

/// The path that probes ask for; it is not counted as a request.
pub(crate) const PROBE_PATH: &str = "/probe";

const HEAD_LIMIT: usize = 16 * 1024;
const BACKLOG: u32 = 4096;

/// Runs until dropped, on a thread of its own.
#[derive(Debug)]
pub(crate) struct Backends {
    pub(crate) stable: [SocketAddr; 2],
    pub(crate) canary: SocketAddr,
    pub(crate) seen: [Arc<Seen>; 2],
    pub(crate) canary_seen: Arc<Seen>,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

/// The requests that reached a backend.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    count: AtomicU64,
    last: AtomicU64,
}

impl Seen {
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    /// When the last one arrived, on [`clock`]; 0: none has.
    pub(crate) fn last(&self) -> u64 {
        self.last.load(Ordering::Acquire)
    }

    fn note(&self) {
        self.last.store(clock::now(), Ordering::Release);
        self.count.fetch_add(1, Ordering::AcqRel);
    }
}

impl Backends {
    pub(crate) fn start() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let stop = CancellationToken::new();
        let answers = Arc::new(Answers::prepare());
        let mut started = Vec::new();
        for _ in 0..3 {
            let addr = port::free()?;
            let listener = runtime.block_on(async { listen(addr) }).with_context(|| format!("cannot bind {addr}"))?;
            let seen = Arc::new(Seen::default());
            runtime.spawn(accept(listener, Arc::clone(&answers), Arc::clone(&seen), stop.clone()));
            started.push((addr, seen));
        }
        let [(a, a_seen), (b, b_seen), (canary, canary_seen)] =
            <[_; 3]>::try_from(started).map_err(|_| anyhow::anyhow!("three backends were started"))?;
        let until = stop.clone();
        let thread =
            thread::Builder::new().name("backends".into()).spawn(move || runtime.block_on(until.cancelled()))?;
        Ok(Self { stable: [a, b], canary, seen: [a_seen, b_seen], canary_seen, stop, thread: Some(thread) })
    }

    /// Requests so far at stable and at the canary.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.seen.iter().map(|seen| seen.count()).sum(), self.canary_seen.count())
    }
}

impl Drop for Backends {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // a panic in it has been printed
        }
    }
}

/// With room for the thousands of connections that an attack makes a proxy open at once.
fn listen(addr: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(BACKLOG)
}

async fn accept(listener: TcpListener, answers: Arc<Answers>, seen: Arc<Seen>, stop: CancellationToken) {
    while let Some(Ok((stream, _))) = stop.run_until_cancelled(listener.accept()).await {
        let (answers, seen, stop) = (Arc::clone(&answers), Arc::clone(&seen), stop.clone());
        tokio::spawn(async move {
            // An error here is the proxy closing its side.
            let _ = stop.run_until_cancelled(serve(stream, &answers, &seen)).await;
        });
    }
}

async fn serve(mut stream: TcpStream, answers: &Answers, seen: &Seen) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(HEAD_LIMIT);
    loop {
        if stream.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
        while let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            let path = buffer.split(|&byte| byte == b' ').nth(1).unwrap_or_default();
            if path != PROBE_PATH.as_bytes() {
                seen.note();
            }
            let answer = answers.to(path);
            let body = if buffer.starts_with(b"POST ") { promised(&buffer[..end]) } else { 0 };
            buffer.drain(..end + 4);
            swallow(&mut stream, &mut buffer, body).await?;
            stream.write_all(answer).await?;
        }
        if buffer.len() >= HEAD_LIMIT {
            return Ok(());
        }
    }
}

/// The length of the body that a head announces; 0 without one.
fn promised(head: &[u8]) -> usize {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    length.and_then(|length| length.trim().parse().ok()).unwrap_or(0)
}

/// Reads a body; what follows it stays in `buffer`.
async fn swallow(stream: &mut TcpStream, buffer: &mut Vec<u8>, length: usize) -> std::io::Result<()> {
    let mut left = length;
    while left > 0 {
        let here = left.min(buffer.len());
        buffer.drain(..here);
        left -= here;
        if left > 0 && stream.read_buf(buffer).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}
