//! A table for another configuration, with everything in it that is unchanged.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use http::HeaderValue;

use super::choice::choice;
use super::{Builder, Lasting, limited};
use crate::control::fleet::{Fleet, Member, ServiceState};
use crate::model::{Endpoint, ServiceLimits, ServiceName, Track};
use crate::table::{Backend, Budget, Circuit, Intake, Positions, Rate, Router, Terms};
use crate::tls::client::Secure;

impl Builder {
    /// Builds the table for `fleet` as it is. By the names of services their positions go on, so that no turn is lost;
    /// by the names of backends what is counted and limited goes on. A backend in which nothing changed stays the very
    /// same; one that is where it was, under the same limits, keeps its key and so its connections.
    pub(in crate::control) fn reload(&mut self, fleet: &Fleet, addresses: impl Fn(&Endpoint) -> Arc<[SocketAddr]>) {
        let router = Router::new(fleet.services.iter().map(|service| {
            let spec = &service.spec;
            (spec.hosts.as_slice(), &spec.path_prefix)
        }));
        let (mut places, mut services) = (BTreeMap::new(), Vec::with_capacity(fleet.services.len()));
        for (place, service) in fleet.services.iter().enumerate() {
            let name = &service.spec.name;
            self.agree(service);
            for member in &service.members {
                let known = member.spec.address.endpoint().map_or_else(|| Arc::from([]), &addresses);
                self.add(service, member, known);
            }
            let before = self.places.get(name).and_then(|place| self.table.services.get(*place));
            let positions = before.map_or_else(Arc::<Positions>::default, |routed| routed.positions.clone());
            let choice = choice(&service.spec, &mut self.keys);
            let intake = intake(before.and_then(|routed| routed.intake.as_deref()), service.spec.limits);
            places.insert(name.clone(), place);
            services.push(Arc::new(self.routed(service, Lasting { positions, choice, intake })));
        }
        (self.table.router, self.table.services, self.places) = (Arc::new(router), services, places);
        self.forget(fleet);
    }

    /// What the backends of a service have in common; the same as before where the rules are.
    fn agree(&mut self, service: &ServiceState) {
        let (name, retry) = (&service.spec.name, &service.spec.retry);
        let before = self.terms.get(name);
        if before.is_some_and(|terms| terms.retry == *retry) {
            return;
        }
        let budget = before.map_or_else(Arc::<Budget>::default, |terms| terms.budget.clone());
        let terms = Terms { service: name.clone(), retry: retry.clone(), budget, alarm: self.alarm.clone() };
        self.terms.insert(name.clone(), Arc::new(terms));
    }

    /// Puts a backend as it is now in the place of the one before it.
    pub(super) fn add(&mut self, service: &ServiceState, member: &Member, addresses: Arc<[SocketAddr]>) {
        let Some(terms) = self.terms.get(&service.spec.name).cloned() else { return };
        let track = member.target.track;
        let Some(spec) = service.spec.track(track) else { return };
        let address = &member.spec.address;
        let field = |text: String| HeaderValue::try_from(text).ok();
        let limits = service.spec.limits.circuit;
        let before = self.backends.get(&member.target);
        let circuit = before.filter(|before| before.upstream.h2 == spec.upstream.h2);
        let circuit = circuit.and_then(|it| it.circuit.clone()).filter(|circuit| circuit.limits == limits);
        let circuit = circuit.or_else(|| limited(limits).then(|| Arc::new(Circuit::new(limits, spec.upstream.h2))));
        let mut backend = Backend {
            key: 0,
            id: member.spec.id.clone(),
            track,
            address: address.clone(),
            addresses,
            authority: field(address.authority()).unwrap_or_else(|| HeaderValue::from_static("")),
            secure: address.tls_host().and_then(|host| Secure::new(&spec.upstream.tls, host)),
            upstream: spec.upstream.clone(),
            served_by: service.spec.served_by_header.then(|| field(format!("{track}/{}", member.spec.id))).flatten(),
            weight: member.spec.weight.get(),
            timeout: service.spec.timeout,
            pool: service.spec.pool,
            metrics: self.metrics.backend(&member.target),
            terms,
            outcomes: member.outcomes.clone(),
            together: (track == Track::Canary).then(|| service.together.clone()),
            circuit,
        };
        match before {
            Some(before) if same_place(before, &backend) => {
                if same_treatment(before, &backend) {
                    return;
                }
                backend.key = before.key;
                // With the sessions that can be resumed.
                backend.secure.clone_from(&before.secure);
            }
            _ => {
                self.next_key += 1;
                backend.key = self.next_key;
            }
        }
        self.backends.insert(member.target.clone(), Arc::new(backend));
    }

    /// Drops what the configuration does not name any more, from the metrics as well.
    fn forget(&mut self, fleet: &Fleet) {
        let there = |name: &ServiceName| fleet.service(name);
        self.terms.retain(|name, _| there(name).is_some());
        let metrics = &self.metrics;
        self.backends.retain(|target, _| {
            let service = there(&target.service);
            let stays = service.is_some_and(|service| service.members.iter().any(|member| member.target == *target));
            if !stays {
                let track = service.is_some_and(|service| service.members.iter().any(|other| other.is(target.track)));
                metrics.forget(target, !track);
            }
            stays
        });
    }
}

/// What is taken for a service. A rate that stays what it was goes on counting.
fn intake(before: Option<&Intake>, limits: ServiceLimits) -> Option<Arc<Intake>> {
    let rate = before.and_then(|intake| intake.rate.clone()).filter(|rate| rate.spec == limits.rate);
    let rate = rate.or_else(|| Rate::new(limits.rate).map(Arc::new));
    let body = (limits.body > 0).then_some(limits.body);
    (body.is_some() || rate.is_some()).then(|| Arc::new(Intake { body, rate }))
}

/// Whether connections to the one can be used for the other. Those that were counted under other limits can't.
fn same_place(a: &Backend, b: &Backend) -> bool {
    a.address == b.address
        && a.addresses == b.addresses
        && a.upstream == b.upstream
        && same(a.circuit.as_ref(), b.circuit.as_ref())
        && Arc::ptr_eq(&a.outcomes, &b.outcomes)
}

/// Whether everything else is the same too.
fn same_treatment(a: &Backend, b: &Backend) -> bool {
    a.served_by == b.served_by
        && a.weight == b.weight
        && a.timeout == b.timeout
        && a.pool == b.pool
        && Arc::ptr_eq(&a.terms, &b.terms)
        && same(a.together.as_ref(), b.together.as_ref())
}

fn same<T>(a: Option<&Arc<T>>, b: Option<&Arc<T>>) -> bool {
    a.map(Arc::as_ptr) == b.map(Arc::as_ptr)
}
