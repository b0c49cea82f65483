//! Load over keep-alive connections, as fast as it goes or at a rate.
//!
//! A thread of its own lets requests go every 100 us: a runtime's timer ticks every millisecond, and requests
//! that come in bunches would hide how long an ejection takes.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::client::{PATIENCE, answer_end, request};

const TICK: Duration = Duration::from_micros(100);
/// After a failure, so that a dead proxy does not make a busy loop.
const BACK_OFF: Duration = Duration::from_millis(5);

/// Runs until dropped or finished.
#[derive(Debug)]
pub(crate) struct Load {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    started: Instant,
}

#[derive(Debug)]
struct Shared {
    addr: SocketAddr,
    request: Vec<u8>,
    stop: CancellationToken,
    /// Requests that may go now; absent: all.
    due: Option<Semaphore>,
    done: AtomicU64,
    failed: AtomicU64,
    first_failure: Mutex<Option<String>>,
}

/// What a load came to.
#[derive(Debug)]
pub(crate) struct Totals {
    pub(crate) done: u64,
    pub(crate) failed: u64,
    pub(crate) first_failure: Option<String>,
    /// Requests per second.
    pub(crate) rate: f64,
}

impl Load {
    /// Each connection sends its next request as soon as it has its answer or, with `rate` (requests per
    /// second over all connections), when one is due. A stall is not made up for beyond one a connection.
    pub(crate) fn start(addr: SocketAddr, connections: u32, rate: Option<f64>) -> Result<Self> {
        let shared = Arc::new(Shared {
            addr,
            request: request(addr, "/load"),
            stop: CancellationToken::new(),
            due: rate.map(|_| Semaphore::new(0)),
            done: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            first_failure: Mutex::default(),
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut load = Self { shared: Arc::clone(&shared), threads: Vec::new(), started: Instant::now() };
        load.threads.push(thread::Builder::new().name("load".into()).spawn(move || {
            runtime.block_on(async {
                let tasks: Vec<_> = (0..connections).map(|_| tokio::spawn(drive(Arc::clone(&shared)))).collect();
                for task in tasks {
                    let _ = task.await; // a panic in it has been printed
                }
            });
        })?);
        if let Some(rate) = rate {
            let shared = Arc::clone(&load.shared);
            let thread = thread::Builder::new().name("pace".into());
            load.threads.push(thread.spawn(move || shared.pace(rate, connections as usize))?);
        }
        Ok(load)
    }

    pub(crate) fn failed(&self) -> u64 {
        self.shared.failed.load(Ordering::Relaxed)
    }

    pub(crate) fn finish(mut self) -> Totals {
        let elapsed = self.started.elapsed();
        let done = self.shared.done.load(Ordering::Relaxed);
        self.join();
        #[allow(clippy::cast_precision_loss)]
        let rate = done as f64 / elapsed.as_secs_f64();
        let first_failure = self.shared.first_failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        Totals { done: self.shared.done.load(Ordering::Relaxed), failed: self.failed(), first_failure, rate }
    }

    fn join(&mut self) {
        self.shared.stop.cancel();
        for thread in self.threads.drain(..) {
            let _ = thread.join(); // a panic in it has been printed
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.join();
    }
}

impl Shared {
    fn pace(&self, rate: f64, most: usize) {
        let Some(due) = &self.due else { return };
        let (start, mut released) = (Instant::now(), 0);
        while !self.stop.is_cancelled() {
            thread::sleep(TICK);
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let by_now = (start.elapsed().as_secs_f64() * rate) as usize;
            due.add_permits((by_now - released).min(most.saturating_sub(due.available_permits())));
            released = by_now;
        }
    }

    fn note(&self, outcome: io::Result<()>) -> bool {
        let Err(error) = outcome else {
            self.done.fetch_add(1, Ordering::Relaxed);
            return true;
        };
        self.failed.fetch_add(1, Ordering::Relaxed);
        let mut first = self.first_failure.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert_with(|| error.to_string());
        false
    }
}

/// One connection; ends after the request during which the load is stopped.
async fn drive(shared: Arc<Shared>) {
    let (mut stream, mut buffer) = (None, Vec::with_capacity(4096));
    while !shared.stop.is_cancelled() {
        if let Some(due) = &shared.due {
            match shared.stop.run_until_cancelled(due.acquire()).await {
                Some(Ok(permit)) => permit.forget(),
                _ => return,
            }
        }
        let outcome = timeout(PATIENCE, exchange(&shared, &mut stream, &mut buffer)).await;
        if !shared.note(outcome.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))) {
            stream = None;
            buffer.clear();
            sleep(BACK_OFF).await;
        }
    }
}

async fn exchange(shared: &Shared, stream: &mut Option<TcpStream>, buffer: &mut Vec<u8>) -> io::Result<()> {
    let stream = match stream {
        Some(stream) => stream,
        None => {
            let fresh = TcpStream::connect(shared.addr).await?;
            fresh.set_nodelay(true)?;
            stream.insert(fresh)
        }
    };
    stream.write_all(&shared.request).await?;
    loop {
        if let Some(end) = answer_end(buffer)? {
            buffer.drain(..end);
            return Ok(());
        }
        if stream.read_buf(buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}
