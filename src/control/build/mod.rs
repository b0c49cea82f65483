//! From the state of the fleet to a routing table.

mod choice;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use http::HeaderValue;

use self::choice::choice;
use super::fleet::{Fleet, Member, ServiceState};
use crate::metrics::DataMetrics;
use crate::model::{Endpoint, ProbeTarget, Track};
use crate::table::{
    Alarm, Backend, Budget, Keys, Lane, Outcomes, Positions, Routed, Router, RoutingTable, Schedule, Split, Terms,
};

/// Builds one table after another, and keeps what they share: backends, positions, and services that did not change.
pub(super) struct Builder {
    backends: BTreeMap<ProbeTarget, Arc<Backend>>,
    next_key: u64,
    metrics: DataMetrics,
    alarm: Arc<Alarm>,
    /// The same for as long as the process lives, so that a visitor's cookie outlives a change of its service.
    keys: Option<Arc<Keys>>,
    table: RoutingTable,
}

impl Builder {
    /// `keys` sign the cookies of affinity; where a service needs them and there are none, they are made. `addresses`
    /// gives what an endpoint resolves to now.
    pub(super) fn new(
        fleet: &Fleet,
        metrics: DataMetrics,
        alarm: Arc<Alarm>,
        keys: Option<Arc<Keys>>,
        addresses: impl Fn(&Endpoint) -> Arc<[SocketAddr]>,
    ) -> Self {
        let router = Router::new(fleet.services.iter().map(|service| {
            let spec = &service.spec;
            (spec.hosts.as_slice(), &spec.path_prefix)
        }));
        let mut builder = Self {
            backends: BTreeMap::new(),
            next_key: 0,
            metrics,
            alarm,
            keys,
            table: RoutingTable { router: Arc::new(router), ..RoutingTable::default() },
        };
        for service in &fleet.services {
            for member in &service.members {
                builder.add(service, member, addresses(&member.spec.address));
            }
            let routed = builder.routed(service, Arc::new(Positions::default()));
            let choice = choice(&service.spec, &mut builder.keys);
            builder.table.services.push(Arc::new(Routed { choice, ..routed }));
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

    /// Routes one service anew.
    pub(super) fn reroute(&mut self, index: usize, service: &ServiceState) {
        let Routed { positions, choice, .. } = &*self.table.services[index];
        let (positions, choice) = (positions.clone(), choice.clone());
        self.table.services[index] = Arc::new(Routed { choice, ..self.routed(service, positions) });
    }

    /// An endpoint has other addresses now: its backends get new keys, so that old connections are not used again.
    /// Gives whether any service uses it.
    pub(super) fn readdress(&mut self, fleet: &Fleet, endpoint: &Endpoint, addresses: &Arc<[SocketAddr]>) -> bool {
        let mut used = false;
        for (index, service) in fleet.services.iter().enumerate() {
            let members: Vec<_> = service.members.iter().filter(|member| member.spec.address == *endpoint).collect();
            for member in &members {
                self.add(service, member, addresses.clone());
            }
            if !members.is_empty() {
                self.reroute(index, service);
                used = true;
            }
        }
        used
    }

    fn add(&mut self, service: &ServiceState, member: &Member, addresses: Arc<[SocketAddr]>) {
        self.next_key += 1;
        let track = member.target.track;
        let field = |text: String| HeaderValue::try_from(text).ok();
        let terms = Terms {
            service: service.spec.name.clone(),
            retry: service.spec.retry.clone(),
            budget: Arc::new(Budget::default()),
            alarm: self.alarm.clone(),
        };
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
            terms: Arc::new(terms),
            outcomes: Arc::new(Outcomes::default()),
            together: None,
            circuit: None,
        };
        self.backends.insert(member.target.clone(), Arc::new(backend));
    }

    /// The split over members that are up. Nothing up in stable: an admitted canary with a weight takes all. Nothing up
    /// at all: stable fails open over all its backends; the canary never does.
    fn routed(&self, service: &ServiceState, positions: Arc<Positions>) -> Routed {
        let lane = |track: Track, member_goes: &dyn Fn(&Member) -> bool| {
            let members = service.members.iter().filter(|member| member.target.track == track && member_goes(member));
            Lane::new(members.filter_map(|member| self.backends.get(&member.target).cloned()).collect())
        };
        let mut stable = lane(Track::Stable, &Member::in_rotation);
        let canary = lane(Track::Canary, &|member| service.admitted() && member.in_rotation());
        let weight = |of: Track| match (of, &service.spec.canary) {
            (Track::Stable, _) => service.spec.stable.weight.get(),
            (Track::Canary, Some(canary)) => canary.weight.get(),
            (Track::Canary, None) => 0,
        };
        let canary_goes = !canary.is_empty() && weight(Track::Canary) > 0;
        let split = match (stable.is_empty(), canary_goes) {
            (false, true) => Schedule::new(&[weight(Track::Stable), weight(Track::Canary)])
                .map_or(Split::Only(Track::Stable), Split::Both),
            (false, false) => Split::Only(Track::Stable),
            (true, true) => Split::Only(Track::Canary),
            (true, false) => {
                stable = lane(Track::Stable, &|_| true);
                if stable.is_empty() { Split::Nothing } else { Split::Only(Track::Stable) }
            }
        };
        Routed {
            split,
            balance: service.spec.balance,
            stable,
            canary,
            trying: None,
            kept: Vec::new(),
            ejected: !service.admitted(),
            choice: None,
            positions,
        }
    }
}

#[cfg(test)]
mod tests;
