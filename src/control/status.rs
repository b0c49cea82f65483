//! What the controller tells the operators, as the admin API shows it.

use std::sync::Arc;
use std::time::SystemTime;

use serde::{Serialize, Serializer};

use super::fleet::{Fleet, Member, ServiceState};
use crate::metrics::{DataMetrics, IntGauge};
use crate::model::{BackendId, Endpoint, Health, Owners, Reasons, ServiceName, Track, TrackSpec};

/// The state of all services at one moment.
#[derive(Clone, Debug, Serialize)]
pub struct FleetStatus {
    /// Number of the routing table in force.
    pub generation: u64,
    /// Every backend has been probed at least once.
    #[serde(skip)]
    pub probed: bool,
    /// The alerts of every service have been read.
    #[serde(skip)]
    pub alerts_read: bool,
    pub services: Vec<ServiceStatus>,
}

#[derive(Clone, Debug, Serialize)]
pub struct ServiceStatus {
    pub name: ServiceName,
    pub tracks: Tracks,
    /// So many backends of stable have to be up beside one that is taken down by a lease.
    pub min_up: u32,
    /// Absent in a service without a canary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate: Option<GateStatus>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Tracks {
    pub stable: TrackStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary: Option<TrackStatus>,
}

#[derive(Clone, Debug, Serialize)]
pub struct TrackStatus {
    pub weight: u32,
    /// What the file says.
    pub configured_weight: u32,
    pub backends: Vec<BackendStatus>,
}

#[derive(Clone, Debug, Serialize)]
pub struct BackendStatus {
    pub id: BackendId,
    pub address: Endpoint,
    pub weight: u32,
    pub state: Health,
    /// Why the last probe failed.
    pub reason: Option<Arc<str>>,
    /// When `state` last changed.
    #[serde(serialize_with = "rfc3339")]
    pub since: SystemTime,
    /// It gets no new requests by an operator's wish or a lease.
    pub draining: bool,
    /// Requests that it works on at the moment of looking, those that were sent by this balancer.
    #[serde(serialize_with = "now")]
    pub in_flight: IntGauge,
}

#[derive(Clone, Debug, Serialize)]
pub struct GateStatus {
    pub state: State,
    pub reasons: Reasons,
    /// When `state` last changed.
    #[serde(serialize_with = "rfc3339")]
    pub since: SystemTime,
    /// Every standing alert by its owner; the plain key's owner is the empty text.
    pub owners: Owners,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Admitted,
    Ejected,
}

impl FleetStatus {
    pub(super) fn new(fleet: &Fleet, generation: u64, metrics: &DataMetrics) -> Self {
        Self {
            generation,
            probed: fleet.all_probed(),
            alerts_read: fleet.all_alerts_read(),
            services: fleet.services.iter().map(|service| ServiceStatus::new(service, metrics)).collect(),
        }
    }

    pub fn service(&self, name: &str) -> Option<&ServiceStatus> {
        self.services.iter().find(|service| service.name.as_str() == name)
    }
}

impl ServiceStatus {
    fn new(service: &ServiceState, metrics: &DataMetrics) -> Self {
        let track = |track: Track, spec: &TrackSpec| TrackStatus {
            weight: spec.weight.get(),
            configured_weight: spec.weight.get(),
            backends: service
                .members
                .iter()
                .filter(|member| member.target.track == track)
                .map(|member| BackendStatus::new(member, metrics))
                .collect(),
        };
        let stable = &service.spec.stable;
        let all_but_one = u32::try_from(stable.backends.len().saturating_sub(1)).unwrap_or(u32::MAX);
        Self {
            name: service.spec.name.clone(),
            min_up: stable.min_up.unwrap_or(all_but_one),
            tracks: Tracks {
                stable: track(Track::Stable, &service.spec.stable),
                canary: service.spec.canary.as_ref().map(|canary| track(Track::Canary, canary)),
            },
            gate: service.gate.as_ref().map(|gate| GateStatus {
                state: if gate.admitted() { State::Admitted } else { State::Ejected },
                reasons: gate.reasons().clone(),
                since: service.gate_since,
                owners: service.owners.clone(),
            }),
        }
    }
}

impl BackendStatus {
    fn new(member: &Member, metrics: &DataMetrics) -> Self {
        Self {
            id: member.spec.id.clone(),
            address: member.spec.address.clone(),
            weight: member.spec.weight.get(),
            state: member.health,
            reason: member.failure.clone(),
            since: member.since,
            draining: false,
            in_flight: metrics.backend(&member.target).in_flight,
        }
    }
}

fn rfc3339<S: Serializer>(at: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&humantime::format_rfc3339_millis(*at))
}

fn now<S: Serializer>(gauge: &IntGauge, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(gauge.get())
}
