//! Which backends are probed, and at what addresses.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::crew::Crew;
use crate::control::Addresses;
use crate::health::probe::Place;
use crate::health::{self, ProbeJob};
use crate::metrics::Metrics;
use crate::model::{
    Address, BackendSpec, Endpoint, ProbeReport, ProbeSpec, ProbeTarget, ServiceSpec, Track, TrackSpec, Upstream,
};
use crate::net::resolve::Resolver;

/// The probes and name lookups of a configuration. Dropped, they end.
pub(super) struct Scouts {
    resolver: Resolver,
    lookups: Crew<Endpoint>,
    probes: Crew<Probe>,
    changed: mpsc::Sender<Endpoint>,
    reports: mpsc::Sender<ProbeReport>,
    metrics: Metrics,
}

/// What a probe is known by: one whose every part is the same after a reload goes on with what it has seen.
#[derive(Clone, Debug, PartialEq)]
struct Probe {
    target: ProbeTarget,
    address: Address,
    upstream: Upstream,
    spec: ProbeSpec,
}

impl Scouts {
    pub(super) fn new(
        metrics: Metrics,
        tasks: TaskTracker,
        changed: mpsc::Sender<Endpoint>,
        reports: mpsc::Sender<ProbeReport>,
    ) -> Self {
        Self {
            resolver: Resolver::default(),
            lookups: Crew::new("resolve", metrics.life.clone(), tasks.clone()),
            probes: Crew::new("probe", metrics.life.clone(), tasks),
            changed,
            reports,
            metrics,
        }
    }

    /// Looks up what is new in `services`, at most for 2 s, and gives the addresses of all.
    pub(super) async fn resolve(&mut self, services: &[ServiceSpec]) -> Addresses {
        let endpoints = backends(services).filter_map(|(.., backend)| backend.address.endpoint());
        self.resolver.learn(endpoints.cloned()).await;
        self.resolver.addresses()
    }

    /// Probes the backends of `services`, which were [resolved](Self::resolve), and watches their names.
    pub(super) fn go(&mut self, services: &[ServiceSpec]) {
        let lookups: BTreeMap<_, _> =
            self.resolver.lookups().map(|lookup| (lookup.endpoint().clone(), lookup.clone())).collect();
        let changed = self.changed.clone();
        let names = lookups.keys().cloned().collect();
        self.lookups.set(names, move |endpoint| {
            let rounds = lookups.get(&endpoint).cloned().map(|lookup| lookup.run(changed.clone()));
            async move {
                if let Some(rounds) = rounds {
                    rounds.await;
                }
            }
        });

        let (addresses, metrics, reports) = (self.resolver.addresses(), self.metrics.clone(), self.reports.clone());
        self.probes.set(probes(services), move |probe| {
            let job = job(probe, &addresses, &metrics);
            let reports = reports.clone();
            async move {
                if let Some(job) = job {
                    health::run(job, reports, CancellationToken::new()).await;
                }
            }
        });
    }
}

fn job(probe: Probe, addresses: &Addresses, metrics: &Metrics) -> Option<ProbeJob> {
    let addresses = match probe.address.endpoint() {
        Some(endpoint) => addresses.get(endpoint)?.clone(),
        None => watch::Sender::new(Arc::<[SocketAddr]>::from([])).subscribe(),
    };
    let place = Place::new(probe.address, probe.upstream, &probe.spec);
    Some(ProbeJob {
        metrics: metrics.control.probe(&probe.target),
        target: probe.target,
        addresses,
        place,
        spec: probe.spec,
    })
}

fn probes(services: &[ServiceSpec]) -> Vec<Probe> {
    backends(services)
        .map(|(service, track, spec, backend)| Probe {
            target: ProbeTarget { service: service.name.clone(), track, backend: backend.id.clone() },
            address: backend.address.clone(),
            upstream: spec.upstream.clone(),
            spec: spec.probe.clone(),
        })
        .collect()
}

fn backends(services: &[ServiceSpec]) -> impl Iterator<Item = (&ServiceSpec, Track, &TrackSpec, &BackendSpec)> {
    services.iter().flat_map(|service| {
        let tracks = [Track::Stable, Track::Canary].into_iter();
        tracks
            .filter_map(|track| Some((track, service.track(track)?)))
            .flat_map(move |(track, spec)| spec.backends.iter().map(move |backend| (service, track, spec, backend)))
    })
}
