//! What a bus is connected to.

use std::collections::BTreeMap;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::board::Kept;
use super::command::{Commands, Watched};
use crate::metrics::{BusMetrics, LifeMetrics};
use crate::model::{AlertReading, MarkReading, PeerMark, Secret, ServiceName};

/// What every bus takes and gives.
pub struct Wiring {
    pub watched: Vec<Watched>,
    pub commands: Commands,
    /// Gets one reading per service after everything was read for the first time and one at each change after, never
    /// twice the same.
    pub readings: mpsc::Sender<AlertReading>,
    /// As `readings`, for marks.
    pub marks: mpsc::Sender<MarkReading>,
    pub metrics: BusMetrics,
    /// Counts how often a part of the bus panicked and began anew.
    pub life: LifeMetrics,
    /// What a process before this one knew.
    pub kept: Option<Kept>,
    /// Ends the bus.
    pub shutdown: CancellationToken,
}

/// This balancer among the others on one prefix.
pub struct Company {
    /// Unique among them, of `A-Z`, `a-z`, `0-9`, `.`, `_` and `-`.
    pub name: String,
    /// The canaries that this balancer keeps out for what it has seen itself.
    pub announcements: watch::Receiver<BTreeMap<ServiceName, PeerMark>>,
    /// Where the shared signing key is wanted: gets it as soon as the store has told or taken it, and each other one
    /// that all agree on later.
    pub affinity: Option<watch::Sender<Option<Secret>>>,
    /// Where certificates are ordered: the challenges.
    pub challenges: Option<ChallengeBoard>,
}

/// What a certificate authority will ask for: key authorizations by token (RFC 8555, 8.3). They are no secrets.
pub struct ChallengeBoard {
    /// Of this balancer.
    pub own: watch::Receiver<BTreeMap<String, String>>,
    /// Gets those of all balancers on the prefix, as the store has them.
    pub all: watch::Sender<BTreeMap<String, String>>,
}
