//! What the connections of one thread of the data plane share.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use hyper::server::conn::http1;
use ipnet::IpNet;
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};
use tokio_util::task::TaskTracker;

use super::access::AccessWriter;
use super::connect::MAX_BUFFER;
use super::crowd::Crowd;
use super::deliver::{Shared, Waiting};
use super::front::FrontSettings;
use super::opening::Opening;
use super::pool::Pool;
use super::stop::Stop;
use super::turnstile::Turnstile;
use crate::metrics::{DataMetrics, Open};
use crate::model::LimitSettings;
use crate::net::outbox::Outbox;
use crate::table::{Challenges, TableReader};
use crate::tls;

/// What hyper has room for without a heap: fields of a request.
const USUAL_HEADERS: u32 = 100;

/// How long handshakes may take at a time: about two signatures of the usual kind.
const HANDSHAKES: Duration = Duration::from_micros(200);

/// One worker: a thread with a runtime of its own, so that nothing here is shared with another core but the table, the
/// positions and the counters behind the handles, and what requests that failed leave behind.
pub(super) struct Worker {
    pub(super) table: TableReader,
    pub(super) pool: Pool,
    pub(super) opening: Opening,
    pub(super) waiting: Waiting,
    pub(super) shared: Arc<Shared>,
    pub(super) crowd: Arc<Crowd>,
    pub(super) outbox: Arc<Outbox>,
    pub(super) http: http1::Builder,
    /// Whether HTTP/2 is spoken with who begins with it.
    pub(super) http2: bool,
    pub(super) metrics: DataMetrics,
    pub(super) tls: Option<tls::Acceptor>,
    pub(super) turnstile: Turnstile,
    pub(super) redirect: Option<u16>,
    pub(super) challenges: Option<Challenges>,
    pub(super) access: Option<AccessWriter>,
    pub(super) limits: LimitSettings,
    pub(super) trusted_proxies: Vec<IpNet>,
    pub(super) proxy_protocol: Vec<IpNet>,
    pub(super) handshake_timeout: Duration,
    pub(super) header_timeout: Duration,
    pub(super) idle_timeout: Duration,
    pub(super) via: bool,
    pub(super) stop: Stop,
    /// What [`Self::stop`] has come to, for the connections of this thread alone: they look at it each time they run.
    leaving: AtomicBool,
    closing: AtomicBool,
    closed: CancellationToken,
    tasks: TaskTracker,
}

impl Worker {
    pub(super) fn new(settings: &FrontSettings, shared: Arc<Shared>, crowd: Arc<Crowd>) -> Self {
        let FrontSettings { listen, limits, access, table, metrics, tls, redirect, challenges, stop } = settings;
        let mut http = http1::Builder::new();
        let head = limits.request_line.saturating_add(limits.header_bytes);
        // That the other half has ended is noticed by our own lookout.
        http.max_buf_size(MAX_BUFFER).max_header_size(head as usize).half_close(true);
        if limits.headers != USUAL_HEADERS {
            http.max_headers(limits.headers as usize);
        }
        Self {
            table: table.clone(),
            pool: Pool::default(),
            opening: Opening::default(),
            waiting: Waiting::default(),
            shared,
            crowd,
            outbox: Arc::default(),
            http,
            http2: listen.http2,
            metrics: metrics.clone(),
            tls: tls.clone(),
            turnstile: Turnstile::new(HANDSHAKES),
            redirect: *redirect,
            challenges: challenges.clone(),
            access: access.clone(),
            limits: *limits,
            trusted_proxies: listen.trusted_proxies.clone(),
            proxy_protocol: listen.proxy_protocol.clone(),
            handshake_timeout: listen.handshake_timeout,
            header_timeout: listen.header_timeout,
            idle_timeout: listen.idle_timeout,
            via: listen.via,
            stop: stop.clone(),
            leaving: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            closed: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }
    }

    /// The answers of this worker's connections are the last ones.
    pub(super) fn leave(&self) {
        self.leaving.store(true, Relaxed);
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.leaving.load(Relaxed)
    }

    /// Idle connections of this worker are to be closed; wakes them all.
    pub(super) fn close(&self) {
        self.closing.store(true, Relaxed);
        self.closed.cancel();
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Relaxed)
    }

    /// Ends at [`Self::close`].
    pub(super) fn closed(&self) -> WaitForCancellationFuture<'_> {
        self.closed.cancelled()
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
    pub(super) fn spawn_uncounted(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(task);
    }

    /// Passes on to the requests and the pool of this worker what others say: a new table is in force, a connection is
    /// wanted. Runs until it is dropped.
    pub(super) async fn listen(&self) {
        let give_way = async {
            let mut begged = self.shared.begging.notified();
            loop {
                begged.await;
                // Before the look: who begs meanwhile is heard by the next.
                begged = self.shared.begging.notified();
                self.pool.give_way();
            }
        };
        tokio::join!(self.waiting.watch(self.table.clone()), give_way);
    }

    /// Waits for everything that was spawned.
    pub(super) async fn ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// The same, at most for `time`; else gives how much is left.
    pub(super) async fn ended_within(&self, time: Duration) -> Result<(), usize> {
        tokio::time::timeout(time, self.ended()).await.map_err(|_| self.tasks.len())
    }
}
