//! Who is told of what the controller does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use super::notices;
use crate::control::fleet::{Change, Fleet, ServiceState};
use crate::control::status::{FleetStatus, State};
use crate::model::{Notice, ProbeTarget, ServiceName, Way};
use crate::notify::Notifier;

/// Says in the name of this balancer what [`notices`] there are. Never waits.
#[derive(Clone, Debug)]
pub struct Herald {
    pub notifier: Notifier,
    /// The balancer's name.
    pub source: Arc<str>,
    pub ways: Arc<[Way]>,
}

impl Herald {
    /// Tells nobody.
    pub fn silent() -> Self {
        Self { notifier: Notifier::silent(), source: "".into(), ways: Arc::default() }
    }

    /// Tells what is no matter of the controller.
    pub fn tell(&self, notice: Notice) {
        self.notifier.tell(Notice { source: self.source.clone(), ..notice }, &self.ways);
    }

    pub(super) fn changed(&self, service: &ServiceState, change: &Change) {
        let at = SystemTime::now();
        for notice in notices::of(service, change, at) {
            let hook = service.spec.rollback.as_ref().filter(|_| *notice.event == *notices::ROLLBACK);
            if let Some(rollback) = hook {
                let called = Notice { source: self.source.clone(), ..notice.clone() };
                self.notifier.call(&rollback.hook, &notices::rollback_key(&service.spec, at), called);
            }
            self.tell(notice);
        }
    }

    /// Ends what a process before this one has said and what is not so here.
    pub fn take_over(&self, status: &FleetStatus) {
        let now = SystemTime::now();
        for service in &status.services {
            if service.degraded.is_none() {
                self.tell(notices::not_degraded(&service.name, now));
            }
            if service.gate.as_ref().is_some_and(|gate| gate.state == State::Admitted) {
                self.tell(notices::readmitted(&service.name, now));
            }
        }
    }

    /// Ends what was said of what is configured no longer. `before`: every backend that was.
    pub(super) fn forget(&self, before: &BTreeMap<ServiceName, Vec<ProbeTarget>>, fleet: &Fleet) {
        self.learn(fleet);
        for (name, targets) in before {
            let service = fleet.service(name);
            let there = |target: &ProbeTarget| {
                service.is_some_and(|service| service.members.iter().any(|member| member.target == *target))
            };
            let gone: Vec<ProbeTarget> = targets.iter().filter(|target| !there(target)).cloned().collect();
            for notice in notices::forget(name, &gone, service.is_none(), SystemTime::now()) {
                self.tell(notice);
            }
        }
    }

    pub(super) fn learn(&self, fleet: &Fleet) {
        let hooks = fleet.services.iter().filter_map(|service| service.spec.rollback.as_ref());
        self.notifier.learn(hooks.map(|rollback| rollback.hook.clone()).collect());
    }
}
