//! What the controller says: metrics, status, announcements.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::control::fleet::{Change, Fleet, News, ServiceState};
use crate::control::gate::{Gate, Turn};
use crate::control::heartbeat::Heartbeat;
use crate::control::status::FleetStatus;
use crate::metrics::ControlMetrics;
use crate::model::{PeerMark, ProbeTarget, ServiceName};

/// What the controller says, always the latest.
pub struct Outputs {
    pub status: watch::Receiver<Arc<FleetStatus>>,
    pub announcements: watch::Receiver<Announcements>,
    /// Beats each time the controller has looked at its counters.
    pub heartbeat: Heartbeat,
}

/// The canaries that this balancer keeps out for what it has seen itself, for the others to follow.
pub type Announcements = BTreeMap<ServiceName, PeerMark>;

/// The controller's ends.
pub(super) struct Tellers {
    metrics: ControlMetrics,
    status: watch::Sender<Arc<FleetStatus>>,
    announcements: watch::Sender<Announcements>,
    heartbeat: Heartbeat,
}

impl Tellers {
    pub(super) fn new(metrics: ControlMetrics, status: FleetStatus) -> (Self, Outputs) {
        let (status, watched) = watch::channel(Arc::new(status));
        let (announcements, announced) = watch::channel(Announcements::new());
        let heartbeat = Heartbeat::default();
        let outputs = Outputs { status: watched, announcements: announced, heartbeat: heartbeat.clone() };
        (Self { metrics, status, announcements, heartbeat }, outputs)
    }

    /// A table is in force.
    pub(super) fn published(&self, generation: u64) {
        self.metrics.published(generation);
    }

    /// The controller is alive.
    pub(super) fn beat(&self) {
        self.metrics.beat("controller");
        self.heartbeat.beat();
    }

    /// A change is in force, `took` after its first sign.
    pub(super) fn changed(&self, service: &ServiceState, change: &Change, took: Duration) {
        if let Some(Turn::Ejected(reason)) = change.turn {
            self.metrics.gate(&service.spec.name).ejected(reason, took);
        }
        for news in &change.news {
            if let News::Out { target, .. } = news {
                self.metrics.backend_ejections(target).inc();
            }
        }
        self.show(service);
    }

    pub(super) fn show(&self, service: &ServiceState) {
        let name = &service.spec.name;
        if let Some(gate) = &service.gate {
            self.metrics.gate(name).show(gate.admitted(), gate.reasons());
            self.metrics.canary_share(name).set(service.plan.share());
        }
        self.metrics.degraded(name).set(i64::from(service.degraded));
        for member in &service.members {
            self.metrics.backend_up(&member.target).set(i64::from(member.is_up()));
            self.metrics.backend_ejected(&member.target).set(i64::from(member.is_ejected()));
            // It is there before the first one, so that a rate of it is right.
            self.metrics.backend_ejections(&member.target).inc_by(0);
        }
    }

    /// Takes back what was shown of what is configured no longer. `before`: every backend that was.
    pub(super) fn forget(&self, before: &BTreeMap<ServiceName, Vec<ProbeTarget>>, fleet: &Fleet) {
        for (name, targets) in before {
            let service = fleet.service(name);
            let there = |target: &ProbeTarget| {
                service.is_some_and(|service| service.members.iter().any(|member| member.target == *target))
            };
            targets.iter().filter(|target| !there(target)).for_each(|target| self.metrics.forget_backend(target));
            if service.is_none_or(|service| service.gate.is_none()) {
                self.metrics.forget_gate(name);
            }
            if service.is_none() {
                self.metrics.forget_service(name);
            }
        }
    }

    pub(super) fn tell(&self, fleet: &Fleet, status: FleetStatus) {
        self.status.send_replace(Arc::new(status));
        let seen = fleet.services.iter().filter_map(|service| {
            let reason = service.gate.as_ref().and_then(Gate::first_hand)?;
            Some((service.spec.name.clone(), PeerMark { reason }))
        });
        let seen: Announcements = seen.collect();
        self.announcements.send_if_modified(|said| {
            let news = *said != seen;
            *said = seen;
            news
        });
    }
}
