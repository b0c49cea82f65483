//! From the state of the fleet to a routing table.

mod choice;
mod reload;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use self::choice::choice;
use super::fleet::{Fleet, ServiceState};
use super::keepsake::KeptTurns;
use crate::metrics::DataMetrics;
use crate::model::{CircuitLimits, Endpoint, ProbeTarget, Secret, ServiceName, Track};
use crate::table::{
    Alarm, Backend, Choice, Intake, Keys, Lane, Positions, Routed, RoutingTable, Schedule, Split, Terms, Trying,
};

/// Builds one table after another, and keeps what they share: backends, positions, and services that did not change.
pub(super) struct Builder {
    backends: BTreeMap<ProbeTarget, Arc<Backend>>,
    terms: BTreeMap<ServiceName, Arc<Terms>>,
    /// Where each service is in the table, which is where the router says.
    places: BTreeMap<ServiceName, usize>,
    next_key: u64,
    metrics: DataMetrics,
    /// What a failed request rings.
    alarm: Arc<Alarm>,
    /// For all services, and for as long as the process lives, so that a visitor's cookie outlives a change of its
    /// service. What they signed stays good when another key follows.
    keys: Option<Arc<Keys>>,
    table: RoutingTable,
}

impl Builder {
    /// `keys` sign the cookies of affinity; where a service needs them and there are none, they are made. `addresses`
    /// gives what an endpoint resolves to now.
    pub(super) fn new(
        fleet: &Fleet,
        metrics: DataMetrics,
        alarm: &Arc<Alarm>,
        keys: Option<Arc<Keys>>,
        addresses: impl Fn(&Endpoint) -> Arc<[SocketAddr]>,
    ) -> Self {
        let mut builder = Self {
            backends: BTreeMap::new(),
            terms: BTreeMap::new(),
            places: BTreeMap::new(),
            next_key: 0,
            metrics,
            alarm: alarm.clone(),
            keys,
            table: RoutingTable::default(),
        };
        builder.reload(fleet, addresses);
        builder
    }

    /// The table as it stands.
    pub(super) fn table(&self) -> RoutingTable {
        self.table.clone()
    }

    pub(super) fn metrics(&self) -> &DataMetrics {
        &self.metrics
    }

    pub(super) fn keys(&self) -> Option<&Keys> {
        self.keys.as_deref()
    }

    /// How far a service has come in its schedules.
    pub(super) fn turns(&self, service: &ServiceName) -> KeptTurns {
        let routed = self.places.get(service).and_then(|place| self.table.services.get(*place));
        routed.map_or_else(KeptTurns::default, |routed| {
            let Positions { ticket, stable, canary } = &*routed.positions;
            let [ticket, stable, canary] = [ticket, stable, canary].map(|line| line.0.load(Relaxed));
            KeptTurns { ticket, stable, canary }
        })
    }

    /// Goes on where another process has come to.
    pub(super) fn go_on(&self, service: &ServiceName, turns: KeptTurns) {
        let routed = self.places.get(service).and_then(|place| self.table.services.get(*place));
        if let Some(routed) = routed {
            let Positions { ticket, stable, canary } = &*routed.positions;
            for (line, turn) in [(ticket, turns.ticket), (stable, turns.stable), (canary, turns.canary)] {
                line.0.store(turn, Relaxed);
            }
        }
    }

    /// Routes one service anew, as its plan says.
    pub(super) fn reroute(&mut self, service: &ServiceState) {
        let Some(place) = self.places.get(&service.spec.name).copied() else { return };
        let lasting = Lasting::of(&self.table.services[place]);
        self.table.services[place] = Arc::new(self.routed(service, lasting));
    }

    /// From here on cookies are signed with `key`. Those that were signed before stay good.
    pub(super) fn sign_with(&mut self, fleet: &Fleet, key: &Secret) {
        let keys = match &self.keys {
            Some(before) => before.followed_by(key),
            None => Keys::new(vec![key.clone()]),
        };
        self.keys = Some(Arc::new(keys));
        for service in &fleet.services {
            let Some(place) = self.places.get(&service.spec.name).copied() else { continue };
            let choice = choice(&service.spec, &mut self.keys);
            let lasting = Lasting { choice, ..Lasting::of(&self.table.services[place]) };
            self.table.services[place] = Arc::new(self.routed(service, lasting));
        }
    }

    /// An endpoint has other addresses now: its backends get new keys, so that old connections are not used again.
    /// Gives whether any service uses it.
    pub(super) fn readdress(&mut self, fleet: &Fleet, endpoint: &Endpoint, addresses: &Arc<[SocketAddr]>) -> bool {
        let mut used = false;
        for service in &fleet.services {
            let members: Vec<_> =
                service.members.iter().filter(|it| it.spec.address.endpoint() == Some(endpoint)).collect();
            for member in &members {
                self.add(service, member, addresses.clone());
            }
            if !members.is_empty() {
                self.reroute(service);
                used = true;
            }
        }
        used
    }

    fn routed(&self, service: &ServiceState, lasting: Lasting) -> Routed {
        let Lasting { positions, choice, intake } = lasting;
        let plan = &service.plan;
        let backends = |targets: &[ProbeTarget]| -> Vec<Arc<Backend>> {
            targets.iter().filter_map(|target| self.backends.get(target).cloned()).collect()
        };
        let (stable, canary) = (Lane::new(backends(&plan.stable)), Lane::new(backends(&plan.canary)));
        let canary_goes = !canary.is_empty() && plan.weights[1] > 0;
        let split = match (stable.is_empty(), canary_goes) {
            (false, true) => Schedule::new(&plan.weights).map_or(Split::Only(Track::Stable), Split::Both),
            (false, false) => Split::Only(Track::Stable),
            (true, true) => Split::Only(Track::Canary),
            (true, false) => Split::Nothing,
        };
        let trying = plan.trying.as_ref().zip(service.trial.as_ref());
        Routed {
            split,
            balance: service.spec.balance,
            stable,
            canary,
            trying: trying.map(|((_, lane), attempt)| Trying {
                trial: attempt.trial.clone(),
                lane: Lane::new(backends(lane)),
                grpc: service.spec.canary.as_ref().is_some_and(|canary| canary.probe.is_grpc()),
            }),
            kept: backends(&plan.kept),
            finishing: backends(&plan.finishing),
            ejected: plan.ejected,
            choice,
            intake,
            positions,
        }
    }
}

/// What the events of a service do not change.
struct Lasting {
    positions: Arc<Positions>,
    choice: Option<Arc<Choice>>,
    intake: Option<Arc<Intake>>,
}

impl Lasting {
    fn of(routed: &Routed) -> Self {
        let Routed { positions, choice, intake, .. } = routed;
        Self { positions: positions.clone(), choice: choice.clone(), intake: intake.clone() }
    }
}

/// Whether there is anything to keep to. A queue is for those whom one of the others makes wait.
fn limited(limits: CircuitLimits) -> bool {
    limits.connections > 0 || limits.requests > 0
}

#[cfg(test)]
mod tests;
