//! What is known of every service: an event in, what changed out. Pure: no I/O, no clock.

use std::sync::Arc;
use std::time::SystemTime;

use super::gate::{Gate, Signal, Turn};
use crate::model::{AlertReading, BackendSpec, Health, Owners, ProbeReport, ProbeTarget, ServiceSpec, Track};

/// The state of all services, in the order of the configuration.
#[derive(Debug)]
pub(super) struct Fleet {
    pub(super) services: Vec<ServiceState>,
}

#[derive(Debug)]
pub(super) struct ServiceState {
    pub(super) spec: ServiceSpec,
    /// `None`: a service without a canary.
    pub(super) gate: Option<Gate>,
    /// When the gate last opened or closed.
    pub(super) gate_since: SystemTime,
    pub(super) owners: Owners,
    pub(super) alerts_read: bool,
    pub(super) members: Vec<Member>,
}

/// One backend.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) target: ProbeTarget,
    pub(super) spec: BackendSpec,
    pub(super) health: Health,
    /// Why the last probe failed; `None` after one that passed.
    pub(super) failure: Option<Arc<str>>,
    /// When `health` last changed.
    pub(super) since: SystemTime,
}

impl Member {
    /// Stable starts up, a canary has to pass first.
    pub(super) fn in_rotation(&self) -> bool {
        match self.target.track {
            Track::Stable => self.health != Health::Down,
            Track::Canary => self.health == Health::Up,
        }
    }
}

/// What an event changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    /// Index of the service.
    pub(super) service: usize,
    /// Index of the member whose health changed.
    pub(super) member: Option<usize>,
    pub(super) turn: Option<Turn>,
    /// Whether the service has to be routed anew.
    pub(super) routing: bool,
    /// Whether operators see any of it.
    pub(super) visible: bool,
}

impl Fleet {
    pub(super) fn new(services: &[ServiceSpec], now: SystemTime) -> Self {
        Self { services: services.iter().map(|spec| ServiceState::new(spec, now)).collect() }
    }

    /// `None` for a backend that is not configured.
    pub(super) fn probed(&mut self, report: &ProbeReport, now: SystemTime) -> Option<Change> {
        let (index, service) = self.service(|spec| spec.name == report.target.service)?;
        let place = service.members.iter().position(|member| member.target == report.target)?;
        let member = &mut service.members[place];
        let was_in_rotation = member.in_rotation();
        let changed = member.health != report.health;
        if changed {
            member.health = report.health;
            member.since = now;
        }
        let news = member.failure != report.failure;
        member.failure.clone_from(&report.failure);
        let routing = member.in_rotation() != was_in_rotation;

        let turn = match (&mut service.gate, report.target.track) {
            (Some(gate), Track::Canary) => {
                let mut canary = service.members.iter().filter(|member| member.target.track == Track::Canary);
                let any_up = canary.any(Member::in_rotation);
                let passed = report.failure.is_none();
                gate.observe(&Signal::Probe { backend: &report.target.backend, passed, any_up })
            }
            _ => None,
        };
        let visible = changed || news || turn.is_some();
        Some(Change { service: index, member: changed.then_some(place), turn, routing, visible }.at(service, now))
    }

    /// `None` for a service that is not configured.
    pub(super) fn alerted(&mut self, reading: &AlertReading, now: SystemTime) -> Option<Change> {
        let (index, service) = self.service(|spec| spec.name == reading.service)?;
        service.owners.clone_from(&reading.owners);
        service.alerts_read = true;
        let turn = service.gate.as_mut().and_then(|gate| gate.observe(&Signal::Alert(!reading.owners.is_empty())));
        Some(Change { service: index, member: None, turn, routing: false, visible: true }.at(service, now))
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

    fn service(&mut self, is: impl Fn(&ServiceSpec) -> bool) -> Option<(usize, &mut ServiceState)> {
        self.services.iter_mut().enumerate().find(|(_, service)| is(&service.spec))
    }
}

impl ServiceState {
    fn new(spec: &ServiceSpec, now: SystemTime) -> Self {
        let tracks = [(Track::Stable, Some(&spec.stable)), (Track::Canary, spec.canary.as_ref())];
        let members = tracks.into_iter().flat_map(|(track, of)| {
            let backends = of.map_or(&[][..], |of| &of.backends);
            backends.iter().map(move |backend| Member {
                target: ProbeTarget { service: spec.name.clone(), track, backend: backend.id.clone() },
                spec: backend.clone(),
                health: Health::Unknown,
                failure: None,
                since: now,
            })
        });
        Self {
            gate: spec.canary.as_ref().map(|canary| Gate::new(canary.probe.rise.get())),
            gate_since: now,
            owners: Owners::new(),
            alerts_read: false,
            members: members.collect(),
            spec: spec.clone(),
        }
    }

    pub(super) fn admitted(&self) -> bool {
        self.gate.as_ref().is_some_and(Gate::admitted)
    }
}

impl Change {
    /// A gate that opened or closed is routed anew, and remembers when.
    fn at(mut self, service: &mut ServiceState, now: SystemTime) -> Self {
        if matches!(self.turn, Some(Turn::Ejected(_) | Turn::Admitted)) {
            service.gate_since = now;
            self.routing = true;
        }
        self
    }
}

#[cfg(test)]
mod tests;
