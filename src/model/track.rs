//! The two versions of a service.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};

use super::service::seconds;
use super::{BackendSpec, ProbeSpec, Upstream};

/// One of the two versions of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Track {
    Stable,
    Canary,
}

impl Track {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stable => "stable",
            Self::Canary => "canary",
        }
    }
}

impl fmt::Display for Track {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A track's share of a service's requests, 0 to 1000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u16")]
pub struct Weight(u16);

impl Weight {
    pub const MAX: u16 = 1000;

    /// `None` above 1000.
    pub fn new(weight: u16) -> Option<Self> {
        (weight <= Self::MAX).then_some(Self(weight))
    }

    pub fn get(self) -> u32 {
        u32::from(self.0)
    }
}

impl TryFrom<u16> for Weight {
    type Error = String;

    fn try_from(weight: u16) -> Result<Self, String> {
        Self::new(weight).ok_or_else(|| format!("a weight is 0 to {}", Self::MAX))
    }
}

/// A track as configured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TrackSpec {
    pub weight: Weight,
    pub backends: Vec<BackendSpec>,
    #[serde(flatten)]
    pub upstream: Upstream,
    pub probe: ProbeSpec,
    /// Of stable: so many backends have to be up while another is taken down by a lease. Absent: all but one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_up: Option<u32>,
    /// Of the canary: how long its share takes to grow to the full one after a re-admission. Zero: it has it at once.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "maybe_seconds")]
    pub slow_start: Option<Duration>,
}

fn maybe_seconds<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    seconds(&duration.unwrap_or_default(), serializer)
}
