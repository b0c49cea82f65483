//! The single writer: one task that owns the state of the fleet and the table.

mod inputs;
mod log;
mod tell;

use std::sync::Arc;
use std::time::Instant;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use self::inputs::{ROUND, current, heard};
use self::tell::Tellers;
use super::build::Builder;
use super::fleet::{Change, Fleet};
use super::moment::Moment;
use super::status::FleetStatus;
use crate::metrics::Metrics;
use crate::model::{Endpoint, Secret, ServiceSpec};
use crate::table::{Alarm, Keys, TableWriter};

pub use inputs::{Addresses, Inputs};
pub use tell::{Announcements, Outputs};

/// Turns events into tables.
pub struct Controller {
    fleet: Fleet,
    builder: Builder,
    writer: TableWriter,
    addresses: Addresses,
    alarm: Arc<Alarm>,
    tellers: Tellers,
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
        let alarm = Arc::<Alarm>::default();
        let now = Moment::now();
        let fleet = Fleet::new(services, &alarm, now);
        let builder =
            Builder::new(&fleet, metrics.data.clone(), &alarm, keys, |endpoint| current(&addresses, endpoint));
        let generation = writer.publish(builder.table());
        let status = FleetStatus::new(&fleet, generation, &metrics.data, now);
        let (tellers, outputs) = Tellers::new(metrics.control.clone(), status);
        tellers.published(generation);
        for service in &fleet.services {
            tellers.show(service);
        }
        (Self { fleet, builder, writer, addresses, alarm, tellers }, outputs)
    }

    /// Decides until `shutdown`: first what people say, then what clients' requests show, then probes.
    pub async fn run(mut self, mut inputs: Inputs, shutdown: CancellationToken) {
        let mut round = interval(ROUND);
        round.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut looked = tokio::time::Instant::now();
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                Some(reading) = inputs.marks.recv() => {
                    let now = Moment::now();
                    let change = self.fleet.marked(&reading, now);
                    self.apply(change, reading.seen, now);
                }
                Ok(()) = inputs.keys.changed() => {
                    let key = inputs.keys.borrow_and_update().clone();
                    self.sign_with(key.as_ref());
                }
                Some(reading) = inputs.alerts.recv() => {
                    let now = Moment::now();
                    let change = self.fleet.alerted(&reading, now);
                    self.apply(change, reading.seen, now);
                }
                () = heard(&self.alarm, looked) => {
                    looked = tokio::time::Instant::now();
                    self.look();
                }
                _ = round.tick() => {
                    self.tellers.beat();
                    self.look();
                }
                Some(report) = inputs.probes.recv() => {
                    let now = Moment::now();
                    let change = self.fleet.probed(&report, now);
                    self.apply(change, report.seen, now);
                }
                Some(endpoint) = inputs.addresses.recv() => self.readdress(&endpoint),
            }
        }
    }

    fn look(&mut self) {
        let now = Moment::now();
        let changes = self.fleet.look(now);
        self.apply(changes, now.at, now);
    }

    /// Publishes first and tells then. `seen`: when the first sign of it reached this process.
    fn apply(&mut self, changes: impl IntoIterator<Item = Change>, seen: Instant, now: Moment) {
        let changes: Vec<Change> = changes.into_iter().collect();
        let mut routing = false;
        for change in changes.iter().filter(|change| change.routing) {
            if let Some(service) = self.fleet.service(&change.service) {
                self.builder.reroute(service);
                routing = true;
            }
        }
        if routing {
            self.tellers.published(self.writer.publish(self.builder.table()));
        }
        let took = seen.elapsed();
        for change in &changes {
            if let Some(service) = self.fleet.service(&change.service).filter(|_| change.visible) {
                self.tellers.changed(service, change, took);
                log::change(service, change, took);
            }
        }
        if changes.iter().any(|change| change.visible) {
            let (generation, metrics) = (self.writer.generation(), self.builder.metrics());
            self.tellers.tell(&self.fleet, FleetStatus::new(&self.fleet, generation, metrics, now));
        }
    }

    fn sign_with(&mut self, key: Option<&Secret>) {
        let Some(key) = key else { return };
        tracing::info!("cookies are signed with the key that the balancers share");
        self.builder.sign_with(&self.fleet, key);
        self.tellers.published(self.writer.publish(self.builder.table()));
    }

    fn readdress(&mut self, endpoint: &Endpoint) {
        let addresses = current(&self.addresses, endpoint);
        tracing::info!(%endpoint, ?addresses, "addresses changed");
        if self.builder.readdress(&self.fleet, endpoint, &addresses) {
            self.tellers.published(self.writer.publish(self.builder.table()));
        }
    }
}
