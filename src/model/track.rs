//! The two versions of a service.

use std::fmt;

use serde::Serialize;

use super::{BackendSpec, ProbeSpec};

/// One of the two versions of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
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

/// A track as configured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TrackSpec {
    pub weight: Weight,
    pub backends: Vec<BackendSpec>,
    pub probe: ProbeSpec,
}
