//! What the controller tells the operators, as the admin API shows it.

use std::sync::Arc;
use std::time::SystemTime;

use serde::{Serialize, Serializer};

use super::fleet::{Fleet, Member, ServiceState};
use super::moment::Moment;
use crate::metrics::{DataMetrics, IntGauge};
use crate::model::{Address, BackendId, Health, Marks, Owners, Reasons, ServiceName, Track, TrackSpec};

/// Why nobody is ejected by live traffic at the moment.
const SHARED: &str = "shared dependency";

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
    /// Every member fails, so that none of them is to blame.
    pub degraded: Option<&'static str>,
    /// Backends of stable in rotation.
    pub up: usize,
    pub tracks: Tracks,
    /// So many backends of stable have to be up beside one that is taken down by a lease.
    pub min_up: u32,
    /// Absent in a service without a canary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate: Option<GateStatus>,
    #[serde(serialize_with = "super::public::marks")]
    pub marks: Marks,
}

#[derive(Clone, Debug, Serialize)]
pub struct Tracks {
    pub stable: TrackStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary: Option<TrackStatus>,
}

#[derive(Clone, Debug, Serialize)]
pub struct TrackStatus {
    /// In force: an operator's, or else the file's.
    pub weight: u32,
    /// The file's.
    pub configured_weight: u32,
    pub backends: Vec<BackendStatus>,
}

#[derive(Clone, Debug, Serialize)]
pub struct BackendStatus {
    pub id: BackendId,
    pub address: Address,
    pub weight: u32,
    pub state: Health,
    /// Why the last probe failed.
    pub reason: Option<Arc<str>>,
    /// When `state` last changed.
    #[serde(serialize_with = "rfc3339")]
    pub since: SystemTime,
    /// Requests that are drawn by turns go to it at the moment.
    pub routed: bool,
    /// An operator or a lease wants it to get no new requests.
    pub draining: bool,
    /// It gets them all the same, since nothing else of the service is up.
    pub drain_held: bool,
    /// While it drains, visitors that are kept on it still come.
    pub keep_sessions: bool,
    /// When its penalty ends, while live traffic keeps this one backend out.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "maybe_rfc3339")]
    pub ejected_until: Option<SystemTime>,
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
    /// When the penalty of an ejection by live traffic ends.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "maybe_rfc3339")]
    pub penalty_until: Option<SystemTime>,
    /// While its share grows: how much of it the canary has, in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Admitted,
    Ejected,
}

impl FleetStatus {
    pub(super) fn new(fleet: &Fleet, generation: u64, metrics: &DataMetrics, now: Moment) -> Self {
        Self {
            generation,
            probed: fleet.all_probed(),
            alerts_read: fleet.all_alerts_read(),
            services: fleet.services.iter().map(|service| ServiceStatus::new(service, metrics, now)).collect(),
        }
    }

    pub fn service(&self, name: &str) -> Option<&ServiceStatus> {
        self.services.iter().find(|service| service.name.as_str() == name)
    }
}

impl ServiceStatus {
    fn new(service: &ServiceState, metrics: &DataMetrics, now: Moment) -> Self {
        let [stable, canary] = service.weights();
        let all_but_one = u32::try_from(service.spec.stable.backends.len().saturating_sub(1)).unwrap_or(u32::MAX);
        let track = |track: Track, weight: u32, spec: &TrackSpec| {
            let members = service.members.iter().filter(|member| member.is(track));
            TrackStatus {
                weight,
                configured_weight: spec.weight.get(),
                backends: members.map(|member| BackendStatus::new(service, member, metrics, now)).collect(),
            }
        };
        Self {
            name: service.spec.name.clone(),
            degraded: service.degraded.then_some(SHARED),
            up: service.plan.up(),
            min_up: service.spec.stable.min_up.unwrap_or(all_but_one),
            tracks: Tracks {
                stable: track(Track::Stable, stable, &service.spec.stable),
                canary: service.spec.canary.as_ref().map(|spec| track(Track::Canary, canary, spec)),
            },
            gate: service.gate.as_ref().map(|gate| GateStatus {
                state: if gate.admitted() { State::Admitted } else { State::Ejected },
                reasons: gate.reasons().clone(),
                since: service.gate_since,
                owners: service.owners.clone(),
                penalty_until: gate.penalty().remaining(now.at).map(|left| now.wall + left),
                share: service.tenths(now).map(|tenths| tenths * 10),
            }),
            marks: service.marks.clone(),
        }
    }
}

impl BackendStatus {
    fn new(service: &ServiceState, member: &Member, metrics: &DataMetrics, now: Moment) -> Self {
        let drained = service.drained(member);
        let routed = service.plan.serves(member);
        Self {
            id: member.spec.id.clone(),
            address: member.spec.address.clone(),
            weight: member.spec.weight.get(),
            state: member.health,
            reason: member.failure.clone(),
            since: member.since,
            routed,
            draining: drained.is_some(),
            drain_held: drained.is_some() && routed,
            keep_sessions: drained == Some(true),
            ejected_until: member.penalty.remaining(now.at).map(|left| now.wall + left),
            in_flight: metrics.backend(&member.target).in_flight,
        }
    }
}

fn maybe_rfc3339<S: Serializer>(at: &Option<SystemTime>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => rfc3339(at, serializer),
        None => serializer.serialize_none(),
    }
}

pub(super) fn rfc3339<S: Serializer>(at: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&humantime::format_rfc3339_millis(*at))
}

fn now<S: Serializer>(gauge: &IntGauge, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(gauge.get())
}
