//! One service as the data plane sees it.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::{Backend, Choice, Intake, Schedule, Trial};
use crate::model::{Balance, Track};

/// A service with every decision about it already taken.
#[derive(Clone, Debug)]
pub struct Routed {
    pub split: Split,
    pub balance: Balance,
    pub stable: Lane,
    pub canary: Lane,
    /// The canary's way back: it is out, and one request may try it.
    pub trying: Option<Trying>,
    /// Backends that take only the requests of visitors that are kept on them: they drain, or the track has no weight.
    pub kept: Vec<Arc<Backend>>,
    /// Backends that drain and take nobody new at all, but are up and finish what they have.
    pub finishing: Vec<Arc<Backend>>,
    /// The canary is out for a reason: visitors that were kept on it move to stable for good. `false` as well in a
    /// service without a canary, and at the start.
    pub ejected: bool,
    /// `None`: nothing but the schedule decides.
    pub choice: Option<Arc<Choice>>,
    /// `None`: everything is taken.
    pub intake: Option<Arc<Intake>>,
    pub positions: Arc<Positions>,
}

impl Routed {
    /// The backends of `track` that new requests may go to. A canary that is out has none.
    pub fn lane(&self, track: Track) -> &Lane {
        match track {
            Track::Stable => &self.stable,
            Track::Canary => &self.canary,
        }
    }
}

/// An ejected canary whose every reason is gone but that no client's request has succeeded on it.
#[derive(Clone, Debug)]
pub struct Trying {
    pub trial: Arc<Trial>,
    /// Its backends that are up.
    pub lane: Lane,
    /// They serve gRPC: no call may be repeated, and what may be is none.
    pub grpc: bool,
}

/// Which track a new request goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Split {
    /// Both, by turns: member 0 is stable, member 1 the canary.
    Both(Schedule),
    Only(Track),
    /// No backend at all is left.
    Nothing,
}

/// The backends of a track that may get requests now, each with its turns.
#[derive(Clone, Debug, Default)]
pub struct Lane {
    members: Vec<Arc<Backend>>,
    schedule: Option<Schedule>,
}

impl Lane {
    /// Every member must have a weight of at least 1 and the schedule for their weights must exist, else the lane is
    /// empty.
    pub fn new(members: Vec<Arc<Backend>>) -> Self {
        let weights: Vec<u32> = members.iter().map(|member| member.weight).collect();
        match Schedule::new(&weights) {
            Some(schedule) => Self { members, schedule: Some(schedule) },
            None => Self::default(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.schedule.is_none()
    }

    pub fn members(&self) -> &[Arc<Backend>] {
        &self.members
    }

    /// The member whose turn `position` is; `None` only when the lane is empty.
    #[inline]
    pub fn turn(&self, position: u64) -> Option<&Arc<Backend>> {
        self.schedule.as_ref().map(|schedule| &self.members[schedule.pick(position)])
    }
}

/// How far a service has come in its schedules. Shared by all snapshots of the service, so that a swap loses no place.
///
/// Each track has a position of its own: with one ticket for both choices, three stable backends at 2:1 would starve
/// one.
#[derive(Debug, Default)]
pub struct Positions {
    /// The next ticket: a request's number in its service, drawn only where there is a choice of track.
    pub ticket: CacheLine,
    pub stable: CacheLine,
    pub canary: CacheLine,
}

/// A counter on a cache line of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct CacheLine(pub AtomicU64);
