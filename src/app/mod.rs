//! The composition root: what runs where, and in which order it starts and ends.
//!
//! | thread | what runs on it |
//! | --- | --- |
//! | `worker-N` | the data plane, one runtime each |
//! | `control` | the alert bus and the controller: from an alert to a new table without another thread |
//! | `notify` | mails and webhooks, and the disk that they wait on |
//! | the caller's | probes, name resolution, the admin listener, signals |
//!
//! [`life`] takes a process from its start to its end: [`Sockets`] are bound or taken over, an [`App`] is started on
//! them, and ends by a stop or when a successor (`handover`) has taken over. `scouts` is what a reload changes while the
//! rest runs.

mod agent;
mod authority;
mod bind;
mod certificates;
mod control;
mod courier;
mod crew;
mod door;
mod handover;
mod keepsake;
mod life;
mod limits;
mod messenger;
mod reload;
mod scouts;
mod systemd;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::bus::{self, BusHandle};
use crate::control::admin::{self, Admin, Readiness, Reloads};
use crate::control::{Controller, ControllerHandle, FleetStatus, Heartbeat, Inputs, Outputs};
use crate::metrics::Metrics;
use crate::model::Settings;
use crate::proxy::{self, AccessWriter, Front, FrontSettings, Listener, Stop};
use crate::supervise::supervise;
use crate::table::{self, Keys};
use crate::tls;

pub use agent::watch_host;
pub use bind::Sockets;
pub use door::Inherited;
pub use keepsake::Keepsake;
pub use life::live;

use authority::Authority;
use certificates::Certificates;
use door::Door;
use messenger::Messenger;
use scouts::Scouts;

/// Reports and readings that may wait for the controller.
const QUEUE: usize = 1024;
/// How long probes and requests to the admin listeners may take to end after the data plane has ended, and then the
/// control thread.
const GRACE: Duration = Duration::from_secs(1);
/// How long the first probes and the first reading of the alerts are waited for at most. The canary stays out until they
/// are there.
const PROBE_PATIENCE: Duration = Duration::from_secs(5);
const ALERT_PATIENCE: Duration = Duration::from_secs(1);
/// How long a connection without a request stays open for one more after a successor has taken over.
const IDLE_AFTER_HANDOVER: Duration = Duration::from_secs(5);

/// A running balancer. Dropped without [`App::stop`], it goes on until the process ends.
pub struct App {
    pub http: Vec<SocketAddr>,
    pub https: Vec<SocketAddr>,
    pub admin: SocketAddr,
    pub status: watch::Receiver<Arc<FleetStatus>>,
    pub bus: BusHandle,
    controls: ControllerHandle,
    settings: Settings,
    metrics: Metrics,
    scouts: Scouts,
    certificates: Certificates,
    authority: Option<Box<Authority>>,
    heartbeat: Heartbeat,
    messenger: Messenger,
    /// Every listening socket once more, to be handed on.
    doors: Arc<[Door]>,
    entrance: Option<Entrance>,
    front: Option<Front>,
    stop: Stop,
    control: JoinHandle<()>,
    tasks: TaskTracker,
    /// `/readyz` says 503.
    stopping: CancellationToken,
    /// The admin listeners end.
    unattended: CancellationToken,
    ended: CancellationToken,
    _access: Option<tracing_appender::non_blocking::WorkerGuard>,
}

/// What is needed to let clients and operators in.
struct Entrance {
    listeners: Vec<Vec<Listener>>,
    leftover: Vec<Listener>,
    front: FrontSettings,
    admin: TcpListener,
    metrics: Option<TcpListener>,
    operators: Admin,
}

impl App {
    /// Starts everything but the acceptance of connections, which wait on `sockets` until [`App::open`], with what a
    /// process before this one knew. Must be called
    /// inside a tokio runtime, which runs the probes and the admin listener from then on.
    ///
    /// # Errors
    /// A certificate could not be read, or a thread not be made. Nothing is left running that serves clients.
    pub async fn start(settings: Settings, sockets: Sockets, keepsake: Keepsake) -> anyhow::Result<Self> {
        let (stopping, ended, tasks) = (CancellationToken::new(), CancellationToken::new(), TaskTracker::new());
        let metrics = Metrics::new();
        let certificates = Certificates::new(metrics.certificates.clone());
        certificates.load(&settings.tls).await.map_err(anyhow::Error::msg)?;
        let mut authority = Authority::new(&settings, &certificates, &metrics);
        // Its randomness is what takes longest at a start.
        let tls = sockets
            .have_tls()
            .then(|| tls::Acceptor::new(&certificates.store, settings.listen.http2))
            .transpose()
            .context("TLS can't be spoken")?;
        let (writer, reader) = table::table();

        let (probe_sender, probes) = mpsc::channel(QUEUE);
        let (alert_sender, alerts) = mpsc::channel(QUEUE);
        let (address_sender, resolved) = mpsc::channel(QUEUE);
        let (mark_sender, marks) = mpsc::channel(QUEUE);
        let mut scouts = Scouts::new(metrics.clone(), tasks.clone(), address_sender, probe_sender);
        let addresses = scouts.resolve(&settings.services).await;
        let (affinity, shared_key) = control::shared_key(&settings);
        let keys = settings.affinity.key.clone().map(|key| Arc::new(Keys::new(vec![key])));
        let (controller, Outputs { status, announcements, heartbeat }) =
            Controller::new(&settings.services, addresses, keys, keepsake.control.as_ref(), &metrics, writer);

        let messenger = Messenger::start(&settings, keepsake.standing, keepsake.successor, metrics.notify.clone())?;
        let controller = controller.heard_by(messenger.herald.clone());
        if !keepsake.successor {
            messenger.take_over(&status.borrow());
        }

        let (controls, orders) = crate::control::orders();
        let (bus, commands) = bus::channel();
        let inputs = Inputs { alerts, probes, addresses: resolved, orders, marks, keys: shared_key };
        let wiring = bus::Wiring {
            watched: control::watched(&settings.services),
            commands,
            readings: alert_sender,
            marks: mark_sender,
            metrics: metrics.bus.clone(),
            life: metrics.life.clone(),
            kept: keepsake.bus,
            shutdown: ended.clone(),
        };
        let (name, challenges) = (settings.balancer.name.clone(), authority.as_mut().and_then(|it| it.board.take()));
        let company = bus::Company { name, announcements, affinity, challenges };
        let alert_bus = control::Bus { redis: settings.redis.clone(), wiring, company };
        let control = control::start(alert_bus, controller, inputs, ended.clone())?;
        scouts.go(&settings.services);

        let (access, guard) = AccessWriter::new(settings.log.access).unzip();
        let stop = Stop::default();
        let front = FrontSettings {
            listen: settings.listen.clone(),
            limits: limits::filled_in(settings.limits),
            access,
            table: reader,
            metrics: metrics.data.clone(),
            tls,
            challenges: authority.as_ref().map(|authority| authority.challenges.clone()),
            redirect: sockets.https_addresses.first().filter(|_| settings.listen.redirect_https).map(SocketAddr::port),
            stop: stop.clone(),
        };
        let operators = Admin {
            status: status.clone(),
            readiness: Readiness::new(stopping.clone()),
            metrics: metrics.clone(),
            bus: bus.clone(),
            token: settings.admin.token.clone().map(Arc::new),
            reload: None,
        };
        Ok(Self {
            http: sockets.http_addresses,
            https: sockets.https_addresses,
            admin: sockets.admin_address,
            status,
            bus,
            controls,
            settings,
            metrics,
            scouts,
            certificates,
            authority: authority.map(Box::new),
            heartbeat,
            messenger,
            doors: sockets.doors.into(),
            entrance: Some(Entrance {
                listeners: sockets.front,
                leftover: sockets.leftover,
                front,
                admin: sockets.admin,
                metrics: sockets.metrics,
                operators,
            }),
            front: None,
            stop,
            control,
            tasks,
            stopping,
            unattended: ended.child_token(),
            ended,
            _access: guard,
        })
    }

    /// Lets clients and operators in; `reload` is the way to whoever reads the configuration again. Does nothing the
    /// second time.
    ///
    /// # Errors
    /// A thread could not be made, or a socket not be used.
    pub fn open(&mut self, reload: Option<Reloads>) -> anyhow::Result<()> {
        let Some(Entrance { listeners, leftover, front, admin, metrics, operators }) = self.entrance.take() else {
            return Ok(());
        };
        let operators = Admin { reload, ..operators };
        self.front = Some(proxy::start(&front, listeners, leftover).context("the workers could not be started")?);
        if let Some(metrics) = metrics {
            let served = admin::serve(metrics, operators.clone().metrics_router(), self.unattended.clone());
            self.tasks.spawn(serve(served));
        }
        self.tasks.spawn(serve(admin::serve(admin, operators.router(), self.unattended.clone())));
        self.tasks.spawn({
            let alive = systemd::watchdog(self.heartbeat.clone());
            let ended = self.ended.clone();
            async move {
                ended.run_until_cancelled(alive).await;
            }
        });
        self.tasks.spawn({
            let certificates = self.certificates.clone();
            let follow = supervise("certificates", self.metrics.life.clone(), move || certificates.clone().follow());
            let ended = self.ended.clone();
            async move {
                ended.run_until_cancelled(follow).await;
            }
        });
        if let Some(authority) = self.authority.take() {
            // A successor orders from its first moment on, and the authority finds nobody else.
            let (orders, left) = (authority.run(&self.metrics), self.unattended.clone());
            self.tasks.spawn(async move {
                left.run_until_cancelled(orders).await;
            });
        }
        systemd::store(&self.doors);
        Ok(())
    }

    /// Waits until the first probes are done and the alerts are read, or have had their time.
    pub fn ready(&self) -> impl Future<Output = ()> + Send + use<> {
        let (mut probed, informed) = (self.status.clone(), self.informed());
        async move {
            let probed = async { timeout(PROBE_PATIENCE, probed.wait_for(|status| status.probed)).await.is_ok() };
            if tokio::join!(probed, informed) != (true, true) {
                tracing::warn!(
                    "not every backend is probed or the alerts are not read: the canary stays out until then"
                );
            }
        }
    }

    /// Waits until alerts, marks and the shared signing key are known, or have had their time; `false`: they had. A
    /// request that is served before may reach a backend that drains, or lose its visitor's place.
    pub fn informed(&self) -> impl Future<Output = bool> + Send + use<> {
        let mut status = self.status.clone();
        // Who has told the alerts has told the rest before.
        async move { timeout(ALERT_PATIENCE, status.wait_for(|status| status.alerts_read)).await.is_ok() }
    }

    /// Serves on for `listen.lame_duck`, every answer being the last of its connection; then accepts nothing more, waits
    /// for the running requests up to `listen.drain`, and ends everything else. The admin listener answers meanwhile,
    /// with 503 on `/readyz`.
    pub async fn stop(mut self) {
        self.stopping.cancel();
        self.stop.leave();
        sleep(self.settings.listen.lame_duck).await;
        self.doors = Arc::default();
        self.stop.close();
        self.messenger.silence();
        workers_ended(self.front.take()).await;
        self.end().await;
    }

    /// The same when a successor serves on the same sockets: it alone accepts connections and answers operators. A
    /// connection without a request may have one more for a while.
    pub(crate) async fn leave(mut self) {
        self.messenger.silence();
        self.stopping.cancel();
        self.unattended.cancel();
        self.doors = Arc::default();
        self.stop.stop_listening();
        let mut workers = pin!(workers_ended(self.front.take()));
        if timeout(IDLE_AFTER_HANDOVER, &mut workers).await.is_err() {
            self.stop.close();
            workers.await;
        }
        self.end().await;
    }

    /// The process before this one has gone: what happens from here on is for this one to tell.
    pub(crate) fn take_over(&self) {
        self.messenger.take_over(&self.status.borrow());
    }

    /// Tells that what was asked of this process is not done.
    pub(crate) fn refused(&self, event: &str, summary: &str, reason: &str) {
        self.messenger.refused(event, summary, reason);
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What a successor gets: the listening sockets, and what is known.
    fn estate(&self) -> (Arc<[Door]>, impl Future<Output = Keepsake> + use<>) {
        (
            self.doors.clone(),
            Keepsake::of(self.bus.clone(), self.controls.clone(), self.messenger.herald.notifier.clone()),
        )
    }

    async fn end(self) {
        let Self { scouts, control, tasks, ended, messenger, .. } = self;
        ended.cancel();
        drop(scouts);
        tasks.close();
        // Whoever holds half a request to an admin listener must not hold the process.
        if timeout(GRACE, tasks.wait()).await.is_err() {
            tracing::warn!(tasks = tasks.len(), grace = ?GRACE, "not everything has ended: leaving it");
        }
        // One that hangs must not hold the process either, nor keep it from hearing a second signal.
        match timeout(GRACE, tokio::task::spawn_blocking(move || control.join())).await {
            Ok(Ok(Ok(()))) => {}
            Ok(_) => tracing::error!("the control thread panicked"),
            Err(_) => tracing::error!(grace = ?GRACE, "the control thread does not end: leaving it"),
        }
        messenger.end().await;
    }
}

/// Waits for the workers, which end only after a stop.
async fn workers_ended(front: Option<Front>) {
    if let Some(front) = front
        && tokio::task::spawn_blocking(move || front.join()).await.is_err()
    {
        tracing::error!("waiting for the workers failed");
    }
}

async fn serve(admin: impl Future<Output = io::Result<()>>) {
    if let Err(error) = admin.await {
        tracing::error!(%error, "an admin listener ended");
    }
}
