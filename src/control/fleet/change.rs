//! What an event changed.

use std::time::Duration;

use crate::control::gate::Turn;
use crate::health::outlier::Offence;
use crate::model::{ProbeTarget, ServiceName};

/// What one event did to one service.
#[derive(Debug, PartialEq)]
pub(in crate::control) struct Change {
    pub(in crate::control) service: ServiceName,
    pub(in crate::control) turn: Option<Turn>,
    /// Everything else that is worth a line in the log.
    pub(in crate::control) news: Vec<News>,
    /// Who came into rotation or left it.
    pub(in crate::control) rotations: Vec<Rotation>,
    /// Whether the service has to be routed anew.
    pub(in crate::control) routing: bool,
    /// Whether operators see any of it.
    pub(in crate::control) visible: bool,
}

/// A transition.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::control) enum News {
    /// Its probes say something else of a backend.
    Health(ProbeTarget),
    /// Live traffic took one backend out for this long.
    Out { target: ProbeTarget, offence: Offence, length: Duration },
    /// A backend is back that was out for another reason than its probes.
    Back(ProbeTarget),
    /// What live traffic holds against the canary as a whole.
    Accused(Offence),
    /// Every member fails, or no longer.
    Degraded(bool),
    /// A backend gets no new requests by an operator's wish or a lease, or gets them again.
    Drain { target: ProbeTarget, drains: bool },
    /// Weights in force: of stable and of the canary.
    Weights([u32; 2]),
    /// The canary's share has grown to the full one.
    Grown,
    /// The canary is admitted without a trial: no request came that may be repeated.
    Waived,
    /// The canary was ejected so often within so long: it should be rolled back.
    Rollback { ejections: u32, within: Duration },
}

/// A backend is in rotation now, or no longer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::control) struct Rotation {
    pub(in crate::control) target: ProbeTarget,
    pub(in crate::control) rotates: bool,
    pub(in crate::control) tally: Tally,
    pub(in crate::control) cause: &'static str,
}

/// How many backends of one track are in rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::control) struct Tally {
    pub(in crate::control) up: usize,
    pub(in crate::control) of: usize,
    /// So many have to be for a lease; 0 for a canary.
    pub(in crate::control) min_up: usize,
}

/// What is noted while an event is worked on.
#[derive(Debug)]
pub(super) struct Notes {
    pub(super) cause: &'static str,
    pub(super) turn: Option<Turn>,
    pub(super) news: Vec<News>,
    /// Operators see something that is no news.
    pub(super) visible: bool,
}

impl Notes {
    pub(super) fn new(cause: &'static str) -> Self {
        Self { cause, turn: None, news: Vec::new(), visible: false }
    }

    /// An ejection outlives what follows it in the same event; else the last turn counts.
    pub(super) fn turned(&mut self, turn: Option<Turn>) {
        let ejected = matches!(self.turn, Some(Turn::Ejected(_)));
        if let (Some(turn), false) = (turn, ejected) {
            self.turn = Some(turn);
        }
    }
}
