//! The composition root: what runs where, and in which order it starts and ends.
//!
//! | thread | what runs on it |
//! | --- | --- |
//! | `worker-N` | the data plane, one runtime each |
//! | `control` | the alert bus and the controller: from an alert to a new table without another thread |
//! | the caller's | probes, name resolution, the admin listener |

mod bind;
mod control;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::bus::{self, BusHandle};
use crate::control::admin::{self, Admin, Readiness};
use crate::control::{Addresses, Controller, FleetStatus, Inputs, Outputs};
use crate::health::{self, ProbeJob};
use crate::metrics::Metrics;
use crate::model::{Endpoint, ProbeTarget, ServiceSpec, Settings, Track};
use crate::net::resolve::Resolver;
use crate::proxy::{self, AccessWriter, Front, FrontSettings};
use crate::table::{self, Keys};

pub use bind::Sockets;

/// Reports and readings that may wait for the controller.
const QUEUE: usize = 1024;
/// How long probes and requests to the admin listeners may take to end after the data plane has ended.
const GRACE: Duration = Duration::from_secs(1);

/// A running balancer. Dropped without [`App::stop`], it goes on until the process ends.
pub struct App {
    pub http: Vec<SocketAddr>,
    pub admin: SocketAddr,
    pub status: watch::Receiver<Arc<FleetStatus>>,
    pub bus: BusHandle,
    front: Option<Front>,
    control: JoinHandle<()>,
    tasks: TaskTracker,
    stopping: CancellationToken,
    ended: CancellationToken,
    _access: Option<tracing_appender::non_blocking::WorkerGuard>,
}

impl App {
    /// Starts everything on `sockets`. Must be called inside a tokio runtime, which runs the probes and the admin
    /// listener from then on.
    ///
    /// # Errors
    /// A thread could not be made, or a socket not be used. Nothing is left running that serves clients.
    pub async fn start(settings: Settings, sockets: Sockets) -> anyhow::Result<Self> {
        let (http, admin_address) = (sockets.http_addresses.clone(), sockets.admin_address);
        let (stopping, ended, tasks) = (CancellationToken::new(), CancellationToken::new(), TaskTracker::new());
        let metrics = Metrics::new();
        let (writer, reader) = table::table();

        let resolver = Resolver::start(endpoints(&settings.services)).await;
        let addresses: Addresses = endpoints(&settings.services)
            .map(|endpoint| {
                let watched = resolver.addresses(&endpoint);
                (endpoint, watched)
            })
            .collect();
        let (affinity, shared_key) = control::shared_key(&settings);
        let keys = settings.affinity.key.map(|key| Arc::new(Keys::new(vec![key])));
        let (controller, Outputs { status, announcements }) =
            Controller::new(&settings.services, addresses.clone(), keys, &metrics, writer);

        let (probe_sender, probes) = mpsc::channel(QUEUE);
        let (alert_sender, alerts) = mpsc::channel(QUEUE);
        let (address_sender, resolved) = mpsc::channel(QUEUE);
        let (mark_sender, marks) = mpsc::channel(QUEUE);
        let (bus, commands) = bus::channel();
        let inputs = Inputs { alerts, probes, addresses: resolved, marks, keys: shared_key };
        let wiring = bus::Wiring {
            watched: control::watched(&settings.services),
            commands,
            readings: alert_sender,
            marks: mark_sender,
            metrics: metrics.bus.clone(),
            kept: None,
            shutdown: ended.clone(),
        };
        let company = bus::Company { name: settings.balancer.name, announcements, affinity };
        let alert_bus = control::Bus { redis: settings.redis, wiring, company };
        let control = control::start(alert_bus, controller, inputs, ended.clone())?;

        for job in jobs(&settings.services, &addresses, &metrics) {
            tasks.spawn(health::run(job, probe_sender.clone(), ended.clone()));
        }
        tasks.spawn(resolver.run(address_sender, ended.clone()));

        let (access, guard) = AccessWriter::new(settings.log.access).unzip();
        let front = FrontSettings {
            listen: settings.listen,
            access,
            table: reader,
            metrics: metrics.data.clone(),
            stopping: stopping.clone(),
        };
        let front = proxy::start(&front, sockets.http).context("the workers could not be started")?;

        let token = settings.admin.token.map(Arc::new);
        let readiness = Readiness::new(stopping.clone());
        let operators = Admin { status: status.clone(), readiness, metrics, bus: bus.clone(), token, reload: None };
        if let Some(socket) = sockets.metrics {
            tasks.spawn(serve(admin::serve(socket, operators.clone().metrics_router(), ended.clone())));
        }
        tasks.spawn(serve(admin::serve(sockets.admin, operators.router(), ended.clone())));

        Ok(Self {
            http,
            admin: admin_address,
            status,
            bus,
            front: Some(front),
            control,
            tasks,
            stopping,
            ended,
            _access: guard,
        })
    }

    /// Accepts nothing more, waits for the running requests up to `listen.drain`, and ends everything else then. The
    /// admin listener answers meanwhile, with 503 on `/readyz`.
    pub async fn stop(mut self) {
        self.stopping.cancel();
        if let Some(front) = self.front.take() {
            let joined = tokio::task::spawn_blocking(move || front.join()).await;
            if joined.is_err() {
                tracing::error!("waiting for the workers failed");
            }
        }
        self.ended.cancel();
        self.tasks.close();
        // Whoever holds half a request to an admin listener must not hold the process.
        if tokio::time::timeout(GRACE, self.tasks.wait()).await.is_err() {
            tracing::warn!(tasks = self.tasks.len(), grace = ?GRACE, "not everything has ended: leaving it");
        }
        if self.control.join().is_err() {
            tracing::error!("the control thread panicked");
        }
    }
}

async fn serve(admin: impl Future<Output = io::Result<()>>) {
    if let Err(error) = admin.await {
        tracing::error!(%error, "an admin listener ended");
    }
}

fn backends(services: &[ServiceSpec]) -> impl Iterator<Item = (&ServiceSpec, Track, &crate::model::BackendSpec)> {
    services.iter().flat_map(|service| {
        let stable = service.stable.backends.iter().map(move |backend| (service, Track::Stable, backend));
        let canary = service.canary.iter().flat_map(|canary| &canary.backends);
        stable.chain(canary.map(move |backend| (service, Track::Canary, backend)))
    })
}

fn endpoints(services: &[ServiceSpec]) -> impl Iterator<Item = Endpoint> {
    backends(services).map(|(.., backend)| backend.address.clone())
}

fn jobs(services: &[ServiceSpec], addresses: &Addresses, metrics: &Metrics) -> Vec<ProbeJob> {
    backends(services)
        .filter_map(|(service, track, backend)| {
            let spec = match track {
                Track::Stable => Some(&service.stable),
                Track::Canary => service.canary.as_ref(),
            };
            let target = ProbeTarget { service: service.name.clone(), track, backend: backend.id.clone() };
            Some(ProbeJob {
                metrics: metrics.control.probe(&target),
                target,
                endpoint: backend.address.clone(),
                addresses: addresses.get(&backend.address)?.clone(),
                spec: spec?.probe.clone(),
            })
        })
        .collect()
}
