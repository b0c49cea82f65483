//! What active probes report about a backend.

use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;

use super::{Address, BackendId, ServiceName, Track};

/// What the probes of a backend have shown so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// No probe has ended yet.
    Unknown,
    Up,
    Down,
}

/// Names one backend of one track of one service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProbeTarget {
    pub service: ServiceName,
    pub track: Track,
    pub backend: BackendId,
}

/// One finished probe and what follows from it.
#[derive(Clone, Debug)]
pub struct ProbeReport {
    pub target: ProbeTarget,
    /// Where it was asked; a backend that has moved since is another server.
    pub address: Address,
    /// Why the probe failed; `None` when it passed.
    pub failure: Option<Arc<str>>,
    /// The backend's health after this probe, by `fall` and `rise`.
    pub health: Health,
    /// When the probe ended; `coalmine_eject_seconds` starts here.
    pub seen: Instant,
}
