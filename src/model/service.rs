//! One routed application, as configured.

use std::time::Duration;

use serde::{Serialize, Serializer};

use http::HeaderName;

use super::{
    Affinity, AlertKeys, CookieSpec, GateSpec, HostPattern, OutlierSpec, PathPrefix, RetrySpec, RollbackSpec, RuleSpec,
    ServiceLimits, ServiceName, TesterSpec, Track, TrackSpec,
};

/// A service with every default filled in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServiceSpec {
    pub name: ServiceName,
    /// Empty: any host.
    pub hosts: Vec<HostPattern>,
    pub path_prefix: PathPrefix,
    pub balance: Balance,
    pub served_by_header: bool,
    pub affinity: Affinity,
    /// Requests that have this field are split by a hash of its value, the others by turns.
    #[serde(serialize_with = "header_name")]
    pub split_by: Option<HeaderName>,
    pub timeout: Timeouts,
    pub pool: PoolLimits,
    pub alert: AlertKeys,
    pub retry: RetrySpec,
    pub outlier: OutlierSpec,
    pub limits: ServiceLimits,
    pub gate: GateSpec,
    pub cookie: CookieSpec,
    pub tester: TesterSpec,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollback: Option<RollbackSpec>,
    #[serde(rename = "rule", skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RuleSpec>,
    pub stable: TrackSpec,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary: Option<TrackSpec>,
}

impl ServiceSpec {
    pub fn track(&self, track: Track) -> Option<&TrackSpec> {
        match track {
            Track::Stable => Some(&self.stable),
            Track::Canary => self.canary.as_ref(),
        }
    }
}

/// How a backend is chosen within a track.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Balance {
    RoundRobin,
    LeastRequest,
}

/// Limits on how long a request may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Timeouts {
    #[serde(serialize_with = "seconds")]
    pub connect: Duration,
    /// From the request's last byte to the response's head.
    #[serde(serialize_with = "seconds")]
    pub response: Duration,
    /// A body that stands still.
    #[serde(serialize_with = "seconds")]
    pub idle: Duration,
    /// An upgraded connection over which nothing goes, in either direction.
    #[serde(serialize_with = "seconds")]
    pub tunnel: Duration,
}

/// Limits on idle connections to one backend, for each worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PoolLimits {
    pub max_idle: usize,
    #[serde(serialize_with = "seconds")]
    pub idle_timeout: Duration,
    #[serde(serialize_with = "seconds")]
    pub max_age: Duration,
}

/// Writes a duration as it is written in the configuration: `1s`, `500ms`.
pub(crate) fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&in_words(*duration))
}

/// A duration as it is written in the configuration. Days stay days: in months of 30.44 days nobody would know them.
pub(crate) fn in_words(duration: Duration) -> String {
    const DAY: u64 = 86_400;
    let days = duration.as_secs() / DAY;
    if days > 1 && duration == Duration::from_secs(days * DAY) {
        format!("{days}days")
    } else {
        humantime::format_duration(duration).to_string()
    }
}

/// Writes an optional field name as it is written in the configuration, where empty means none.
fn header_name<S: Serializer>(name: &Option<HeaderName>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(name.as_ref().map_or("", HeaderName::as_str))
}
