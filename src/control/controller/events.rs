//! What wakes the controller, and that a panic over one event is not the end.

use super::orders::Order;
use super::{Controller, current};
use crate::control::moment::Moment;
use crate::control::status::FleetStatus;
use crate::model::{AlertReading, Endpoint, MarkReading, ProbeReport, Secret};
use crate::supervise::{Panicked, Restarts};

/// One thing to deal with.
pub(super) enum Event {
    Order(Order),
    Marked(MarkReading),
    Key(Option<Secret>),
    Alerted(AlertReading),
    /// The data plane has something to be looked at.
    Rung,
    /// It is time to look again.
    Round,
    Probed(ProbeReport),
    Readdressed(Endpoint),
}

impl Event {
    /// What is said once only, and so must be heard even if it goes wrong the first time.
    fn again(&self) -> Option<Self> {
        match self {
            Self::Marked(reading) => Some(Self::Marked(reading.clone())),
            Self::Alerted(reading) => Some(Self::Alerted(reading.clone())),
            Self::Key(key) => Some(Self::Key(key.clone())),
            Self::Order(_) | Self::Rung | Self::Round | Self::Probed(_) | Self::Readdressed(_) => None,
        }
    }
}

impl Controller {
    /// Deals with an event. After a panic everything is again as it was before it, and what must not be lost is tried
    /// once more.
    ///
    /// # Errors
    /// It panicked.
    pub(super) fn deal_with(&mut self, event: Event, restarts: &mut Restarts) -> Result<(), Panicked> {
        let again = event.again();
        let Err(panicked) = restarts.guard(|| self.handle(event)) else { return Ok(()) };
        restarts.guard(|| self.recover())?;
        if let Some(event) = again {
            let dealt_with = restarts.guard(|| self.handle(event));
            dealt_with.or_else(|_| restarts.guard(|| self.recover()))?;
        }
        Err(panicked)
    }

    fn handle(&mut self, event: Event) {
        let now = Moment::now();
        match event {
            Event::Order(order) => self.obey(order),
            Event::Marked(reading) => {
                let change = self.fleet.marked(&reading, now);
                self.apply(change, reading.seen, now);
            }
            Event::Key(key) => self.sign_with(key.as_ref()),
            Event::Alerted(reading) => {
                let change = self.fleet.alerted(&reading, now);
                self.apply(change, reading.seen, now);
            }
            Event::Rung => self.look(now),
            Event::Round => {
                self.look(now);
                self.tellers.beat();
            }
            Event::Probed(report) => {
                let change = self.fleet.probed(&report, now);
                self.apply(change, report.seen, now);
            }
            Event::Readdressed(endpoint) => self.readdress(&endpoint),
        }
    }

    /// Goes back to the state after the last event that went well, and puts it in force. Positions, counters and
    /// backends go on: they are shared with the data plane.
    pub(super) fn recover(&mut self) {
        self.fleet = self.sound.clone();
        self.builder.reload(&self.fleet, |endpoint| current(&self.addresses, endpoint));
        let generation = self.writer.publish(self.builder.table());
        self.tellers.published(generation);
        self.fleet.services.iter().for_each(|service| self.tellers.show(service));
        self.tellers
            .tell(&self.fleet, FleetStatus::new(&self.fleet, generation, self.builder.metrics(), Moment::now()));
    }
}
