//! What the process asks of its controller.

use std::collections::BTreeMap;

use tokio::sync::{mpsc, oneshot};

use super::Controller;
use super::inputs::{Addresses, current};
use super::log;
use crate::control::fleet::{Fleet, Member};
use crate::control::keepsake::Keepsake;
use crate::control::moment::Moment;
use crate::control::status::FleetStatus;
use crate::model::{ProbeTarget, ServiceName, ServiceSpec};

/// Orders that may wait for the controller at one time.
const QUEUE: usize = 8;

/// The way to the controller. Cheap to clone.
#[derive(Clone)]
pub struct ControllerHandle(mpsc::Sender<Order>);

/// The controller's end of every [`ControllerHandle`].
pub struct Orders(pub(super) mpsc::Receiver<Order>);

pub(super) enum Order {
    Reload { services: Vec<ServiceSpec>, addresses: Addresses, reply: oneshot::Sender<()> },
    Keepsake { reply: oneshot::Sender<Keepsake> },
}

/// The controller has ended, or panicked over this order, which is not in force then.
#[derive(Debug, thiserror::Error)]
#[error("the controller has stopped, or failed over this")]
pub struct Gone;

/// A handle, and the end that goes into the controller's inputs.
pub fn orders() -> (ControllerHandle, Orders) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    (ControllerHandle(sender), Orders(receiver))
}

impl ControllerHandle {
    /// Puts another configuration in force, in one table. `addresses` are those of every backend in it. Returns when it
    /// is in force; dropped earlier, it may come into force all the same.
    ///
    /// # Errors
    /// The controller has ended or failed.
    pub async fn reload(&self, services: Vec<ServiceSpec>, addresses: Addresses) -> Result<(), Gone> {
        self.ask(|reply| Order::Reload { services, addresses, reply }).await
    }

    /// What the process that takes the place of this one must know of the decisions here.
    ///
    /// # Errors
    /// The controller has ended or failed.
    pub async fn keepsake(&self) -> Result<Keepsake, Gone> {
        self.ask(|reply| Order::Keepsake { reply }).await
    }

    async fn ask<T>(&self, order: impl FnOnce(oneshot::Sender<T>) -> Order) -> Result<T, Gone> {
        let (reply, answer) = oneshot::channel();
        self.0.send(order(reply)).await.map_err(|_| Gone)?;
        answer.await.map_err(|_| Gone)
    }
}

impl Controller {
    /// Who asked may have gone; the order holds all the same.
    pub(super) fn obey(&mut self, order: Order) {
        match order {
            Order::Reload { services, addresses, reply } => {
                self.reload(&services, addresses);
                _ = reply.send(());
            }
            Order::Keepsake { reply } => _ = reply.send(self.keepsake()),
        }
    }

    fn keepsake(&self) -> Keepsake {
        let now = Moment::now();
        let services = self.fleet.services.iter().map(|service| {
            let name = &service.spec.name;
            (name.clone(), service.kept(self.builder.turns(name), now))
        });
        Keepsake::new(services, self.builder.keys().map_or_else(Vec::new, |keys| keys.secrets().to_vec()))
    }

    fn reload(&mut self, services: &[ServiceSpec], addresses: Addresses) {
        let now = Moment::now();
        let before = targets(&self.fleet);
        let changes = self.fleet.reload(services, &self.alarm, now);
        self.builder.reload(&self.fleet, |endpoint| current(&addresses, endpoint));
        let generation = self.writer.publish(self.builder.table());
        self.tellers.published(generation);
        (self.sound, self.addresses) = (self.fleet.clone(), addresses);
        let took = now.at.elapsed();
        self.tellers.forget(&before, &self.fleet);
        self.herald.forget(&before, &self.fleet);
        for change in &changes {
            if let Some(service) = self.fleet.service(&change.service) {
                self.tellers.changed(service, change, took);
                log::change(service, change, took);
                self.herald.changed(service, change);
            }
        }
        for service in &self.fleet.services {
            self.tellers.show(service);
            let change = changes.iter().find(|change| change.service == service.spec.name);
            log::standing(service, change.map_or(&[], |change| &change.rotations), "reload");
        }
        self.tellers.tell(&self.fleet, FleetStatus::new(&self.fleet, generation, self.builder.metrics(), now));
    }
}

/// Every backend by its service.
fn targets(fleet: &Fleet) -> BTreeMap<ServiceName, Vec<ProbeTarget>> {
    let targets = |members: &[Member]| members.iter().map(|member| member.target.clone()).collect();
    fleet.services.iter().map(|service| (service.spec.name.clone(), targets(&service.members))).collect()
}
