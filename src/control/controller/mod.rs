//! The single writer: one task that owns the state of the fleet and the table.

mod events;
mod herald;
mod inputs;
mod log;
mod notices;
mod orders;
mod tell;

use std::sync::Arc;
use std::time::Instant;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use self::events::Event;
use self::inputs::{ROUND, current, heard};
use self::tell::Tellers;
use super::build::Builder;
use super::fleet::{Change, Fleet};
use super::keepsake::Keepsake;
use super::moment::Moment;
use super::status::FleetStatus;
use crate::metrics::{LifeMetrics, Metrics};
use crate::model::{Endpoint, Secret, ServiceSpec};
use crate::supervise::{Panicked, Restarts};
use crate::table::{Alarm, Keys, TableWriter};

pub use herald::Herald;
pub use inputs::{Addresses, Inputs};
pub use orders::{ControllerHandle, Orders, orders};
pub use tell::{Announcements, Outputs};

/// Turns events into tables.
pub struct Controller {
    fleet: Fleet,
    /// The state after the last events that went well and changed anything: where a panic leads back to.
    sound: Fleet,
    builder: Builder,
    writer: TableWriter,
    addresses: Addresses,
    alarm: Arc<Alarm>,
    tellers: Tellers,
    herald: Herald,
    life: LifeMetrics,
}

impl Controller {
    /// Publishes the first table: stable in rotation, every canary out. `kept`: the decisions of a process before this
    /// one, and its keys where there are no others.
    pub fn new(
        services: &[ServiceSpec],
        addresses: Addresses,
        keys: Option<Arc<Keys>>,
        kept: Option<&Keepsake>,
        metrics: &Metrics,
        mut writer: TableWriter,
    ) -> (Self, Outputs) {
        let alarm = Arc::<Alarm>::default();
        let now = Moment::now();
        let mut fleet = Fleet::new(services, &alarm, now);
        if let Some(kept) = kept {
            fleet.restore(kept, now);
        }
        let kept_keys = kept.map(|kept| &kept.keys[..]).filter(|keys| !keys.is_empty());
        let keys = keys.or_else(|| kept_keys.map(|keys| Arc::new(Keys::new(keys.to_vec()))));
        let builder =
            Builder::new(&fleet, metrics.data.clone(), &alarm, keys, |endpoint| current(&addresses, endpoint));
        for service in &fleet.services {
            if let Some(kept) = kept.and_then(|kept| kept.service(&service.spec.name)) {
                builder.go_on(&service.spec.name, kept.turns);
            }
        }
        let generation = writer.publish(builder.table());
        let status = FleetStatus::new(&fleet, generation, &metrics.data, now);
        let (tellers, outputs) = Tellers::new(metrics.control.clone(), status);
        tellers.published(generation);
        for service in &fleet.services {
            tellers.show(service);
            log::standing(service, &[], "start");
        }
        let (sound, life) = (fleet.clone(), metrics.life.clone());
        let herald = Herald::silent();
        (Self { fleet, sound, builder, writer, addresses, alarm, tellers, herald, life }, outputs)
    }

    /// The same, which tells people and programs what it does.
    #[must_use]
    pub fn heard_by(mut self, herald: Herald) -> Self {
        herald.learn(&self.fleet);
        self.herald = herald;
        self
    }

    /// Decides until `shutdown`: first what people say, then what clients' requests show, then probes. A panic
    /// over one event costs no more than a pause.
    pub async fn run(mut self, mut inputs: Inputs, shutdown: CancellationToken) {
        let mut round = interval(ROUND);
        round.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut looked = tokio::time::Instant::now();
        let mut restarts = Restarts::new("controller", self.life.clone());
        loop {
            let event = tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                Some(order) = inputs.orders.0.recv() => Event::Order(order),
                Some(reading) = inputs.marks.recv() => Event::Marked(reading),
                Ok(()) = inputs.keys.changed() => Event::Key(inputs.keys.borrow_and_update().clone()),
                Some(reading) = inputs.alerts.recv() => Event::Alerted(reading),
                () = heard(&self.alarm, looked) => {
                    looked = tokio::time::Instant::now();
                    Event::Rung
                }
                _ = round.tick() => Event::Round,
                Some(report) = inputs.probes.recv() => Event::Probed(report),
                Some(endpoint) = inputs.addresses.recv() => Event::Readdressed(endpoint),
            };
            if let Err(Panicked(pause)) = self.deal_with(event, &mut restarts) {
                shutdown.run_until_cancelled(tokio::time::sleep(pause)).await;
            }
        }
    }

    fn look(&mut self, now: Moment) {
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
                self.herald.changed(service, change);
            }
        }
        if changes.iter().any(|change| change.visible) {
            for change in &changes {
                if let Some(service) = self.fleet.service(&change.service) {
                    self.sound.learn(service);
                }
            }
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

#[cfg(test)]
mod tests;
