//! From the state of the fleet to a routing table.

mod choice;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use http::HeaderValue;

use self::choice::choice;
use super::fleet::{Fleet, Member, ServiceState};
use crate::metrics::DataMetrics;
use crate::model::{CircuitLimits, Endpoint, ProbeTarget, Secret, ServiceName, Track};
use crate::table::{
    Alarm, Backend, Budget, Choice, Circuit, Keys, Lane, Positions, Routed, Router, RoutingTable, Schedule, Split,
    Terms, Trying,
};

/// Builds one table after another, and keeps what they share: backends, positions, and services that did not change.
pub(super) struct Builder {
    backends: BTreeMap<ProbeTarget, Arc<Backend>>,
    terms: BTreeMap<ServiceName, Arc<Terms>>,
    /// Where each service is in the table, which is where the router says.
    places: BTreeMap<ServiceName, usize>,
    next_key: u64,
    metrics: DataMetrics,
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
        let router = Router::new(fleet.services.iter().map(|service| {
            let spec = &service.spec;
            (spec.hosts.as_slice(), &spec.path_prefix)
        }));
        let mut builder = Self {
            backends: BTreeMap::new(),
            terms: BTreeMap::new(),
            places: BTreeMap::new(),
            next_key: 0,
            metrics,
            keys,
            table: RoutingTable { router: Arc::new(router), ..RoutingTable::default() },
        };
        for (place, service) in fleet.services.iter().enumerate() {
            let name = &service.spec.name;
            let retry = service.spec.retry.clone();
            let terms = Terms { service: name.clone(), retry, budget: Arc::<Budget>::default(), alarm: alarm.clone() };
            builder.terms.insert(name.clone(), Arc::new(terms));
            builder.places.insert(name.clone(), place);
            for member in &service.members {
                builder.add(service, member, addresses(&member.spec.address));
            }
            let choice = choice(&service.spec, &mut builder.keys);
            let routed = builder.routed(service, Arc::new(Positions::default()), choice);
            builder.table.services.push(Arc::new(routed));
        }
        builder
    }

    /// The table as it stands.
    pub(super) fn table(&self) -> RoutingTable {
        self.table.clone()
    }

    pub(super) fn metrics(&self) -> &DataMetrics {
        &self.metrics
    }

    /// Routes one service anew, as its plan says.
    pub(super) fn reroute(&mut self, service: &ServiceState) {
        let Some(place) = self.places.get(&service.spec.name).copied() else { return };
        let Routed { positions, choice, .. } = &*self.table.services[place];
        let (positions, choice) = (positions.clone(), choice.clone());
        self.table.services[place] = Arc::new(self.routed(service, positions, choice));
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
            let positions = self.table.services[place].positions.clone();
            let choice = choice(&service.spec, &mut self.keys);
            self.table.services[place] = Arc::new(self.routed(service, positions, choice));
        }
    }

    /// An endpoint has other addresses now: its backends get new keys, so that old connections are not used again.
    /// Gives whether any service uses it.
    pub(super) fn readdress(&mut self, fleet: &Fleet, endpoint: &Endpoint, addresses: &Arc<[SocketAddr]>) -> bool {
        let mut used = false;
        for service in &fleet.services {
            let members: Vec<_> = service.members.iter().filter(|member| member.spec.address == *endpoint).collect();
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

    fn add(&mut self, service: &ServiceState, member: &Member, addresses: Arc<[SocketAddr]>) {
        let Some(terms) = self.terms.get(&service.spec.name).cloned() else { return };
        self.next_key += 1;
        let track = member.target.track;
        let field = |text: String| HeaderValue::try_from(text).ok();
        let before = self.backends.get(&member.target);
        let limits = service.spec.limits;
        let backend = Backend {
            key: self.next_key,
            id: member.spec.id.clone(),
            track,
            addresses,
            authority: field(member.spec.address.to_string()).unwrap_or_else(|| HeaderValue::from_static("")),
            served_by: service.spec.served_by_header.then(|| field(format!("{track}/{}", member.spec.id))).flatten(),
            weight: member.spec.weight.get(),
            timeout: service.spec.timeout,
            pool: service.spec.pool,
            metrics: self.metrics.backend(&member.target),
            terms,
            outcomes: member.outcomes.clone(),
            together: (track == Track::Canary).then(|| service.together.clone()),
            circuit: match before {
                Some(before) => before.circuit.clone(),
                None => limited(limits).then(|| Arc::new(Circuit::new(limits))),
            },
        };
        self.backends.insert(member.target.clone(), Arc::new(backend));
    }

    fn routed(&self, service: &ServiceState, positions: Arc<Positions>, choice: Option<Arc<Choice>>) -> Routed {
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
            trying: trying
                .map(|((_, lane), attempt)| Trying { trial: attempt.trial.clone(), lane: Lane::new(backends(lane)) }),
            kept: backends(&plan.kept),
            finishing: backends(&plan.finishing),
            ejected: plan.ejected,
            choice,
            positions,
        }
    }
}

/// Whether there is anything to keep to. A queue is for those whom one of the others makes wait.
fn limited(limits: CircuitLimits) -> bool {
    limits.connections > 0 || limits.requests > 0
}

#[cfg(test)]
mod tests;
