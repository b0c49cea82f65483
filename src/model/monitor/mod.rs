//! What the agent of a host is told, with every default filled in.

mod check;
mod metric;
mod rule;

use std::time::Duration;

use serde::Serialize;
use serde::ser::SerializeMap;

pub use check::{CheckKind, CheckSpec};
pub use metric::{HostMetric, Resource, Unit};
pub use rule::{OnLost, Side, WatchActions, WatchAlert, WatchRule};

use super::service::seconds;
use super::{LogSettings, NotifySettings, RedisSettings};

/// Everything that the configuration of an agent says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MonitorSettings {
    /// The host's name: the owner of its alerts. One to 63 of `a-z`, `A-Z`, `0-9`, `.`, `_` and `-`.
    pub host: String,
    /// From one sample to the next.
    #[serde(serialize_with = "seconds")]
    pub interval: Duration,
    /// The cgroup that is watched in place of the host, from the root of the hierarchy; empty: the nearest one with a
    /// limit, else the host.
    pub cgroup: String,
    #[serde(serialize_with = "level_and_format")]
    pub log: LogSettings,
    /// Absent: no rule raises alerts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redis: Option<RedisSettings>,
    pub notify: NotifySettings,
    #[serde(rename = "check")]
    pub checks: Vec<CheckSpec>,
    #[serde(rename = "rule")]
    pub rules: Vec<WatchRule>,
}

/// An agent has no access log.
fn level_and_format<S: serde::Serializer>(log: &LogSettings, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(2))?;
    map.serialize_entry("level", &log.level)?;
    map.serialize_entry("format", &log.format)?;
    map.end()
}
