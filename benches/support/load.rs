//! Load over keep-alive connections, one thread each.
//!
//! Threads, not tasks: a sleeping thread is woken within tens of microseconds, a runtime's timer ticks every
//! millisecond, and requests that come in bunches would hide how long an ejection takes.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Result;

use super::client::Client;

const STACK: usize = 256 * 1024;

/// Runs until dropped or finished.
#[derive(Debug)]
pub(crate) struct Load {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    started: Instant,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
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
    /// Each connection sends its next request as soon as it has its answer, or, with `rate` (requests per
    /// second over all connections), when it is due.
    pub(crate) fn start(addr: SocketAddr, connections: u32, rate: Option<f64>) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let mut load = Self { shared, threads: Vec::new(), started: Instant::now() };
        let interval = rate.map(|rate| Duration::from_secs_f64(f64::from(connections) / rate));
        for number in 0..connections {
            let shared = Arc::clone(&load.shared);
            let pace = interval.map(|interval| (interval * number / connections, interval));
            let thread = thread::Builder::new().name(format!("load-{number}")).stack_size(STACK);
            load.threads.push(thread.spawn(move || shared.drive(addr, pace))?);
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
        self.shared.stop.store(true, Ordering::Relaxed);
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
    fn drive(&self, addr: SocketAddr, pace: Option<(Duration, Duration)>) {
        let mut due = pace.map(|(phase, _)| Instant::now() + phase);
        let mut client = None;
        while !self.stop.load(Ordering::Relaxed) {
            if let (Some(at), Some((_, interval))) = (due, pace) {
                thread::sleep(at.saturating_duration_since(Instant::now()));
                // One that is late sends at once, but a long stall is not made up for in a burst.
                due = Some((at + interval).max(Instant::now()));
            }
            if let Err(error) = request(&mut client, addr) {
                client = None;
                self.failed.fetch_add(1, Ordering::Relaxed);
                let mut first = self.first_failure.lock().unwrap_or_else(PoisonError::into_inner);
                first.get_or_insert_with(|| error.to_string());
                drop(first);
                thread::sleep(Duration::from_millis(5)); // a dead proxy must not become a busy loop
                continue;
            }
            self.done.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn request(client: &mut Option<Client>, addr: SocketAddr) -> std::io::Result<()> {
    if client.is_none() {
        *client = Some(Client::connect(addr, "/load")?);
    }
    client.as_mut().map_or(Ok(()), Client::get)
}
