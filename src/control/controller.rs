//! The single writer: one task that owns the state of the fleet and the table.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::build::Builder;
use super::fleet::{Change, Fleet};
use super::gate::Turn;
use super::status::FleetStatus;
use crate::metrics::{ControlMetrics, GateMetrics, Metrics};
use crate::model::{AlertReading, Endpoint, Health, MarkReading, PeerMark, ProbeReport, ServiceName, ServiceSpec};
use crate::table::{Keys, TableWriter};

/// What an endpoint resolves to, now and later.
pub type Addresses = BTreeMap<Endpoint, watch::Receiver<Arc<[SocketAddr]>>>;

/// Everything that the controller listens to. All are bounded: who sends waits, the data plane never sends.
pub struct Inputs {
    pub alerts: mpsc::Receiver<AlertReading>,
    pub probes: mpsc::Receiver<ProbeReport>,
    /// Endpoints whose addresses changed.
    pub addresses: mpsc::Receiver<Endpoint>,
    pub marks: mpsc::Receiver<MarkReading>,
}

/// What the controller says, always the latest.
pub struct Outputs {
    pub status: watch::Receiver<Arc<FleetStatus>>,
    pub announcements: watch::Receiver<Announcements>,
}

/// The canaries that this balancer keeps out for what it has seen itself, for the others to follow.
pub type Announcements = BTreeMap<ServiceName, PeerMark>;

/// Turns events into tables.
pub struct Controller {
    fleet: Fleet,
    builder: Builder,
    writer: TableWriter,
    addresses: Addresses,
    gates: Vec<GateMetrics>,
    metrics: ControlMetrics,
    status: watch::Sender<Arc<FleetStatus>>,
    announcements: watch::Sender<Announcements>,
}

impl Controller {
    /// Publishes the first table: stable in rotation, every canary out.
    pub fn new(
        services: &[ServiceSpec],
        addresses: Addresses,
        keys: Option<Arc<Keys>>,
        metrics: &Metrics,
        mut writer: TableWriter,
    ) -> (Self, Outputs) {
        let fleet = Fleet::new(services, SystemTime::now());
        let builder =
            Builder::new(&fleet, metrics.data.clone(), Arc::default(), keys, |endpoint| current(&addresses, endpoint));
        let generation = writer.publish(builder.table());
        metrics.control.published(generation);
        let (status, watched) = watch::channel(Arc::new(FleetStatus::new(&fleet, generation, &metrics.data)));
        let (announcements, announced) = watch::channel(Announcements::new());
        let gates = services.iter().map(|service| metrics.control.gate(&service.name)).collect();
        let metrics = metrics.control.clone();
        let controller = Self { fleet, builder, writer, addresses, gates, metrics, status, announcements };
        for service in 0..controller.fleet.services.len() {
            controller.show(service);
        }
        (controller, Outputs { status: watched, announcements: announced })
    }

    /// Decides until `shutdown`, alerts before anything else.
    pub async fn run(mut self, mut inputs: Inputs, shutdown: CancellationToken) {
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                Some(reading) = inputs.alerts.recv() => {
                    let change = self.fleet.alerted(&reading, SystemTime::now());
                    self.apply(change, reading.seen);
                }
                Some(reading) = inputs.marks.recv() => {
                    tracing::debug!(service = %reading.service, "marks read");
                    self.announcements.send_if_modified(|_| false);
                }
                Some(report) = inputs.probes.recv() => {
                    let change = self.fleet.probed(&report, SystemTime::now());
                    self.apply(change, report.seen);
                }
                Some(endpoint) = inputs.addresses.recv() => self.readdress(&endpoint),
            }
        }
    }

    fn apply(&mut self, change: Option<Change>, seen: Instant) {
        let Some(change) = change else { return };
        let service = &self.fleet.services[change.service];
        if change.routing {
            self.builder.reroute(change.service, service);
            self.metrics.published(self.writer.publish(self.builder.table()));
        }
        if let Some(Turn::Ejected(reason)) = change.turn {
            self.gates[change.service].ejected(reason, seen.elapsed());
        }
        if change.visible {
            self.log(&change, seen);
            self.show(change.service);
            self.tell();
        }
    }

    fn readdress(&mut self, endpoint: &Endpoint) {
        let addresses = current(&self.addresses, endpoint);
        tracing::info!(%endpoint, ?addresses, "addresses changed");
        if self.builder.readdress(&self.fleet, endpoint, &addresses) {
            self.metrics.published(self.writer.publish(self.builder.table()));
        }
    }

    /// Transitions only.
    fn log(&self, change: &Change, seen: Instant) {
        let state = &self.fleet.services[change.service];
        let service = &state.spec.name;
        if let Some(member) = change.member.map(|member| &state.members[member]) {
            let (track, backend) = (member.target.track, &member.target.backend);
            let reason = member.failure.as_deref().unwrap_or("probe passed");
            match member.health {
                Health::Down => tracing::warn!(%service, %track, %backend, reason, "backend down"),
                Health::Up | Health::Unknown => tracing::info!(%service, %track, %backend, reason, "backend up"),
            }
        }
        let reasons = || state.gate.as_ref().map(|gate| gate.reasons().clone()).unwrap_or_default();
        match change.turn {
            Some(Turn::Ejected(reason)) => {
                let took = seen.elapsed();
                let owners = &state.owners;
                tracing::warn!(%service, reason = reason.as_str(), ?owners, ?took, "canary ejected");
            }
            Some(Turn::Admitted) => tracing::info!(%service, "canary admitted"),
            Some(Turn::Reasons) => tracing::info!(%service, reasons = ?reasons(), "canary still out"),
            None => {}
        }
    }

    fn show(&self, service: usize) {
        let state = &self.fleet.services[service];
        if let Some(gate) = &state.gate {
            self.gates[service].show(gate.admitted(), gate.reasons());
        }
        for member in &state.members {
            self.metrics.backend_up(&member.target).set(i64::from(member.in_rotation()));
        }
    }

    fn tell(&self) {
        let generation = self.writer.generation();
        self.status.send_replace(Arc::new(FleetStatus::new(&self.fleet, generation, self.builder.metrics())));
    }
}

fn current(addresses: &Addresses, endpoint: &Endpoint) -> Arc<[SocketAddr]> {
    addresses.get(endpoint).map_or_else(|| Arc::from([]), |receiver| receiver.borrow().clone())
}
