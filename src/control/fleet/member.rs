//! The state of one backend.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::control::gate::penalty::Penalty;
use crate::control::moment::Moment;
use crate::health::outlier::{Showing, Window};
use crate::model::{BackendSpec, Health, OutlierSpec, ProbeTarget, Track};
use crate::table::Outcomes;

/// What "lately" is where it is asked whether all members fail.
const LATELY: Duration = Duration::from_secs(2);

/// One backend.
#[derive(Clone, Debug)]
pub(in crate::control) struct Member {
    pub(in crate::control) target: ProbeTarget,
    pub(in crate::control) spec: BackendSpec,
    pub(in crate::control) health: Health,
    /// Why the last probe failed; `None` after one that passed.
    pub(in crate::control) failure: Option<Arc<str>>,
    /// When `health` last changed.
    pub(in crate::control) since: SystemTime,
    /// What the data plane counts, across all tables.
    pub(in crate::control) outcomes: Arc<Outcomes>,
    /// It stands while live traffic keeps this one backend out.
    pub(in crate::control) penalty: Penalty,
    pub(super) window: Window,
    pub(super) recent: Window,
    /// Live traffic ejected it, and it has not passed a probe since.
    pub(super) accused: bool,
    /// A lease took it down, and it has not passed a probe since that ended.
    pub(super) unproved: bool,
}

impl Member {
    pub(super) fn new(target: ProbeTarget, spec: BackendSpec, outlier: &OutlierSpec, now: Moment) -> Self {
        let outcomes = Arc::<Outcomes>::default();
        let window = |span| Window::new(span, outcomes.sample(), now.at);
        Self {
            window: window(outlier.window),
            recent: window(LATELY),
            target,
            spec,
            health: Health::Unknown,
            failure: None,
            since: now.wall,
            outcomes,
            penalty: Penalty::default(),
            accused: false,
            unproved: false,
        }
    }

    pub(in crate::control) fn is(&self, track: Track) -> bool {
        self.target.track == track
    }

    /// By its probes. Stable starts up, a canary has to pass first.
    pub(in crate::control) fn is_up(&self) -> bool {
        match self.target.track {
            Track::Stable => self.health != Health::Down,
            Track::Canary => self.health == Health::Up,
        }
    }

    /// Nothing but an operator's wish or its track's gate keeps it from traffic.
    pub(super) fn may_serve(&self) -> bool {
        self.is_up() && !self.is_ejected() && !self.unproved
    }

    /// Live traffic keeps it out: for its penalty, and until it has passed a probe. One that its probes keep out passes
    /// them before it is back.
    pub(in crate::control) fn is_ejected(&self) -> bool {
        self.penalty.stands() || (self.accused && self.is_up())
    }

    /// Ends what live traffic holds against it; it is remembered all the same.
    pub(super) fn forgive(&mut self) {
        self.penalty.lift();
        self.accused = false;
    }

    /// A probe of it has passed.
    pub(super) fn prove(&mut self) {
        self.accused = false;
        self.unproved = false;
    }

    /// Takes it out for its penalty, and until one more probe has passed. Gives the penalty's length.
    pub(super) fn eject(&mut self, outlier: &OutlierSpec, now: Moment) -> Duration {
        self.accused = true;
        self.penalty.impose(outlier, now.at, now.chance)
    }

    /// Takes in what was counted. Of a backend that gets no new requests nothing is held against it.
    pub(super) fn sample(&mut self, serving: bool, now: Moment) {
        let sample = self.outcomes.sample();
        for window in [&mut self.window, &mut self.recent] {
            if serving { window.observe(sample, now.at) } else { window.restart(sample, now.at) }
        }
    }

    pub(super) fn showing(&self) -> Showing {
        let (recent, in_a_row) = (self.recent.counts(), self.recent.in_a_row());
        Showing { track: self.target.track, recent, in_a_row }
    }
}
