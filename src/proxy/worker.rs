//! One thread of the data plane, and all of them together.

use std::future::Future;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hyper::server::conn::http1;
use ipnet::IpNet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::access::AccessWriter;
use super::connect::MAX_BUFFER;
use super::listener;
use super::pool::Pool;
use crate::metrics::{DataMetrics, Open};
use crate::model::ListenSettings;
use crate::net::outbox::Outbox;
use crate::table::TableReader;

/// A request's head, in bytes; a larger one is answered with 431.
const MAX_HEAD: usize = 64 * 1024;
/// Tasks that run between two looks at the sockets: a whole batch of ready connections, which saves system calls.
const EVENT_INTERVAL: u32 = 512;
/// How often idle connections to backends are looked through.
const SWEEP: Duration = Duration::from_millis(500);

/// What the data plane is started with.
pub struct FrontSettings {
    pub listen: ListenSettings,
    pub access: Option<AccessWriter>,
    pub table: TableReader,
    pub metrics: DataMetrics,
    /// Cancelled: accept nothing more, and end when the running requests have ended or `listen.drain` has passed.
    pub stopping: CancellationToken,
}

/// The running workers.
pub struct Front {
    threads: Vec<JoinHandle<()>>,
}

impl Front {
    /// Waits until every worker has ended, which they do only after a stop. Blocks the thread.
    pub fn join(self) {
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a worker panicked");
            }
        }
    }
}

/// Starts a worker for each element of `sockets`; each owns one listener of every address.
///
/// # Errors
/// A thread or its runtime could not be made.
pub fn start(settings: &FrontSettings, sockets: Vec<Vec<TcpListener>>) -> io::Result<Front> {
    let threads = sockets
        .into_iter()
        .enumerate()
        .map(|(index, listeners)| {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = runtime.event_interval(EVENT_INTERVAL).enable_all().build()?;
            let worker = Arc::new(Worker::new(settings));
            let drain = settings.listen.drain;
            std::thread::Builder::new()
                .name(format!("worker-{index}"))
                .spawn(move || runtime.block_on(run(worker, listeners, drain)))
        })
        .collect::<io::Result<_>>()?;
    Ok(Front { threads })
}

async fn run(worker: Arc<Worker>, listeners: Vec<TcpListener>, drain: Duration) {
    for listener in listeners {
        match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => worker.spawn_uncounted(listener::accept(worker.clone(), listener)),
            Err(error) => tracing::error!(%error, "a listener is lost"),
        }
    }
    // Not tracked: it goes on until the last connection has ended, and ends with the runtime.
    tokio::spawn(worker.outbox.clone().run());
    let mut sweep = tokio::time::interval(SWEEP);
    loop {
        tokio::select! {
            biased;
            () = worker.stopping.cancelled() => break,
            _ = sweep.tick() => worker.pool.sweep(Instant::now()),
        }
    }
    worker.tasks.close();
    if tokio::time::timeout(drain, worker.tasks.wait()).await.is_err() {
        tracing::warn!(connections = worker.tasks.len(), drain = ?drain, "drain time is over: cutting connections");
    }
}

/// What the connections of one thread share.
pub(super) struct Worker {
    pub(super) table: TableReader,
    pub(super) pool: Pool,
    pub(super) outbox: Arc<Outbox>,
    pub(super) http: http1::Builder,
    pub(super) metrics: DataMetrics,
    pub(super) access: Option<AccessWriter>,
    pub(super) trusted_proxies: Vec<IpNet>,
    pub(super) header_timeout: Duration,
    pub(super) idle_timeout: Duration,
    pub(super) via: bool,
    pub(super) stopping: CancellationToken,
    tasks: TaskTracker,
}

impl Worker {
    fn new(settings: &FrontSettings) -> Self {
        let listen = &settings.listen;
        let mut http = http1::Builder::new();
        http.max_buf_size(MAX_BUFFER).max_header_size(MAX_HEAD);
        Self {
            table: settings.table.clone(),
            pool: Pool::default(),
            outbox: Arc::default(),
            http,
            metrics: settings.metrics.clone(),
            access: settings.access.clone(),
            trusted_proxies: listen.trusted_proxies.clone(),
            header_timeout: listen.header_timeout,
            idle_timeout: listen.idle_timeout,
            via: listen.via,
            stopping: settings.stopping.clone(),
            tasks: TaskTracker::new(),
        }
    }

    /// Runs a client's connection on this thread; a stop waits for it.
    pub(super) fn spawn(&self, connection: impl Future<Output = ()> + Send + 'static) {
        let open = Open::one(&self.metrics.client_connections);
        self.tasks.spawn(async move {
            connection.await;
            drop(open);
        });
    }

    /// Runs a task that ends by itself at a stop; the stop waits for it as well.
    fn spawn_uncounted(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(task);
    }
}
