//! The threads of the data plane: how they start, and how they end.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::access::AccessWriter;
use super::crowd::Crowd;
use super::listener::{self, Listener};
use super::stop::Stop;
use super::worker::Worker;
use crate::metrics::DataMetrics;
use crate::model::{LimitSettings, ListenSettings};
use crate::table::{Challenges, TableReader};
use crate::tls;

/// Tasks that run between two looks at the sockets: a whole batch of ready connections, which saves system calls.
const EVENT_INTERVAL: u32 = 512;
/// How often idle connections to backends are looked through.
const SWEEP: Duration = Duration::from_millis(500);

/// What the data plane is started with.
pub struct FrontSettings {
    pub listen: ListenSettings,
    /// Of connections and requests no number stands for another: 0 takes none.
    pub limits: LimitSettings,
    pub access: Option<AccessWriter>,
    pub table: TableReader,
    pub metrics: DataMetrics,
    /// For the connections of listeners with TLS, if there are any.
    pub tls: Option<tls::Acceptor>,
    /// Requests on plain text are sent to TLS at this port.
    pub redirect: Option<u16>,
    /// What an authority that certificates are ordered from is answered.
    pub challenges: Option<Challenges>,
    /// At its last step the workers end: when the running requests have ended or `listen.drain` has passed.
    pub stop: Stop,
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

/// Starts a worker for each element of `sockets`, which are its listeners; there must be one at least. What waits in
/// `leftover` is served, and then they are closed.
///
/// # Errors
/// A thread or its runtime could not be made.
pub fn start(settings: &FrontSettings, sockets: Vec<Vec<Listener>>, mut leftover: Vec<Listener>) -> io::Result<Front> {
    let (shared, crowd) = (Arc::default(), Arc::new(Crowd::new(&settings.limits)));
    let threads = sockets
        .into_iter()
        .enumerate()
        .map(|(index, listeners)| {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = runtime.event_interval(EVENT_INTERVAL).enable_all().build()?;
            let worker = Arc::new(Worker::new(settings, Arc::clone(&shared), Arc::clone(&crowd)));
            let drain = settings.listen.drain;
            let leftover = std::mem::take(&mut leftover);
            std::thread::Builder::new()
                .name(format!("worker-{index}"))
                .spawn(move || runtime.block_on(run(worker, listeners, leftover, drain)))
        })
        .collect::<io::Result<_>>()?;
    Ok(Front { threads })
}

async fn run(worker: Arc<Worker>, listeners: Vec<Listener>, leftover: Vec<Listener>, drain: Duration) {
    for Listener { scheme, socket } in listeners {
        match tokio::net::TcpListener::from_std(socket) {
            Ok(socket) => worker.spawn_uncounted(listener::accept(worker.clone(), scheme, socket)),
            Err(error) => tracing::error!(%error, "a listener is lost"),
        }
    }
    for listener in leftover {
        listener::clear(&worker, &listener);
    }
    // Not tracked: these go on until the last connection has ended, and end with the runtime.
    tokio::spawn(worker.outbox.clone().run());
    let listening = worker.clone();
    tokio::spawn(async move { listening.listen().await });
    let passing = worker.clone();
    tokio::spawn(async move { passing.turnstile.run().await });
    sweeping(&worker, worker.stop.leaving()).await;
    worker.leave();
    sweeping(&worker, worker.stop.deaf()).await;
    tokio::select! {
        () = worker.ended() => return,
        () = sweeping(&worker, worker.stop.closing()) => worker.close(),
    }
    if let Err(left) = worker.ended_within(drain).await {
        tracing::warn!(connections = left, ?drain, "drain time is over: cutting connections");
    }
}

/// Waits for `step`, and looks through the idle connections to backends meanwhile.
async fn sweeping(worker: &Worker, step: impl Future<Output = ()>) {
    let mut step = pin!(step);
    let mut sweep = tokio::time::interval(SWEEP);
    loop {
        tokio::select! {
            biased;
            () = &mut step => return,
            _ = sweep.tick() => {
                // A thread without requests lets go of the table before, and of the backends that only that one names.
                worker.table.read(|_| ());
                worker.pool.sweep(Instant::now());
                worker.crowd.sweep();
            }
        }
    }
}
