//! What is known of every service: an event in, what changed out. No I/O and no clock; of the data plane it reads the
//! counters and writes nothing.
//!
//! - [`service`]: the state of one service, and what every event has in common.
//! - [`member`]: the state of one backend.
//! - [`plan`]: from that state to who gets traffic.
//! - [`events`]: probes and alerts. [`marks`]: what operators and other balancers said. [`live`]: what clients'
//!   requests have shown. [`trial`]: the one request of a canary's way back. [`reload`]: another configuration.
//!   [`kept`]: what the next process is told.
//! - [`rollback`]: when a canary is given up for good.
//! - [`change`]: what an event changed.

mod change;
mod events;
mod kept;
mod live;
mod marks;
mod member;
mod plan;
mod reload;
mod rollback;
mod service;
mod trial;

use std::sync::Arc;

pub(super) use change::{Change, News, Rotation, Tally};
pub(super) use member::Member;
pub(super) use plan::Plan;
pub(super) use rollback::Rollback;
pub(super) use service::ServiceState;

use super::moment::Moment;
use crate::model::{AlertReading, Health, MarkReading, ProbeReport, ServiceName, ServiceSpec};
use crate::table::Alarm;

/// The state of all services, in the order of the configuration.
#[derive(Clone, Debug)]
pub(super) struct Fleet {
    pub(super) services: Vec<ServiceState>,
}

impl Fleet {
    /// `alarm` is what a trial rings when it ends.
    pub(super) fn new(services: &[ServiceSpec], alarm: &Arc<Alarm>, now: Moment) -> Self {
        Self { services: services.iter().map(|spec| ServiceState::new(spec, alarm.clone(), now)).collect() }
    }

    /// Takes over the state of one service from `other`.
    pub(super) fn learn(&mut self, other: &ServiceState) {
        if let Some(service) = self.service_mut(&other.spec.name) {
            service.clone_from(other);
        }
    }

    pub(super) fn service(&self, name: &ServiceName) -> Option<&ServiceState> {
        self.services.iter().find(|service| service.spec.name == *name)
    }

    /// `None` for a backend that is not configured.
    pub(super) fn probed(&mut self, report: &ProbeReport, now: Moment) -> Option<Change> {
        self.service_mut(&report.target.service)?.probed(report, now)
    }

    /// `None` for a service that is not configured.
    pub(super) fn alerted(&mut self, reading: &AlertReading, now: Moment) -> Option<Change> {
        Some(self.service_mut(&reading.service)?.alerted(reading, now))
    }

    /// `None` for a service that is not configured.
    pub(super) fn marked(&mut self, reading: &MarkReading, now: Moment) -> Option<Change> {
        Some(self.service_mut(&reading.service)?.marked(&reading.marks, now))
    }

    /// Looks at what clients' requests have shown and at what time has ended. Gives only what changed.
    pub(super) fn look(&mut self, now: Moment) -> Vec<Change> {
        let changes = self.services.iter_mut().map(|service| service.look(now));
        changes.filter(|change| change.visible).collect()
    }

    /// Every backend has been probed at least once.
    pub(super) fn all_probed(&self) -> bool {
        self.services
            .iter()
            .flat_map(|service| &service.members)
            .all(|member| member.health != Health::Unknown || member.failure.is_some())
    }

    pub(super) fn all_alerts_read(&self) -> bool {
        self.services.iter().all(|service| service.alerts_read)
    }

    fn service_mut(&mut self, name: &ServiceName) -> Option<&mut ServiceState> {
        self.services.iter_mut().find(|service| service.spec.name == *name)
    }
}

#[cfg(test)]
mod tests;
