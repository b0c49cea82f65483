//! Whether the canary of a service gets traffic.
//!
//! | from | to | when |
//! | --- | --- | --- |
//! | `Admitted` | `Ejected{reasons}` | at once, on any reason |
//! | `Ejected` | `Proving` | the last reason has gone; of [`Reason::Live`], when its penalty is over |
//! | `Proving` | `Trial` | a backend has passed `rise` probes since |
//! | `Trial` | `Admitted` | one request of a client has succeeded on the canary |
//!
//! A failed probe or a new reason takes it back from anywhere, and a failed trial is an ejection by live traffic with a
//! longer penalty. So one passed probe never undoes what live traffic did. At the start the reasons are
//! [`Reason::Unprobed`] and [`Reason::AlertUnread`]; where nothing else is raised, one passed probe and one reading are
//! enough. The pass that ends [`Reason::Probe`] is the first of `rise`. Proving and trial are reasons as well, so that
//! a canary that is out always has one.

pub(super) mod penalty;
pub(super) mod ramp;

use std::collections::BTreeMap;

use self::penalty::Penalty;
use super::keepsake::KeptGate;
use super::moment::Moment;
use crate::model::{BackendId, OutlierSpec, Reason, Reasons};

/// The gate of one canary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Gate {
    /// Empty: admitted.
    reasons: Reasons,
    /// Probes passed in a row by each backend since the last reason went.
    proofs: BTreeMap<BackendId, u32>,
    /// Passes that a backend needs after an ejection.
    rise: u32,
    /// It was ejected and has not been admitted since.
    returning: bool,
    penalty: Penalty,
    outlier: OutlierSpec,
}

/// What a gate learns.
#[derive(Clone, Copy, Debug)]
pub(super) enum Signal<'a> {
    /// Whether an alert of any owner stands.
    Alert(bool),
    /// A probe of `backend` has ended; `any_up`: whether any backend of the canary is up after it.
    Probe { backend: &'a BackendId, passed: bool, any_up: bool },
    /// Live traffic has shown that it fails.
    Live,
    /// Whether an operator wants it out.
    Operator(bool),
    /// Whether another balancer keeps it out.
    Peer(bool),
    /// The one request of the way back has passed or failed; it is no longer needed when it `Passed`.
    Trial(Verdict),
    /// Time has passed. `serving`: the canary gets traffic.
    Clock { serving: bool },
}

/// How a trial ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Passed,
    Failed,
}

/// What a signal did to the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Ejected(Reason),
    /// `back`: from an ejection, not from the start.
    Admitted {
        back: bool,
    },
    /// Still out, for other reasons than before.
    Reasons,
}

impl Gate {
    pub(super) fn new(rise: u32, outlier: OutlierSpec) -> Self {
        let reasons = Reasons::from([Reason::Unprobed, Reason::AlertUnread]);
        Self { reasons, proofs: BTreeMap::new(), rise, returning: false, penalty: Penalty::default(), outlier }
    }

    /// What the process that takes the place of this one has to know.
    pub(super) fn kept(&self, now: Moment) -> KeptGate {
        let reasons = self.reasons.iter().map(|reason| reason.as_str().to_owned()).collect();
        KeptGate { reasons, returning: self.returning, penalty: self.penalty.kept(now) }
    }

    /// Takes up what a gate before this one knew, which is at the start. An ejected canary has to come back by the same
    /// way as there, whatever its first probe says; how far it had come on it does not count.
    pub(super) fn restore(&mut self, kept: &KeptGate, now: Moment) {
        self.penalty = Penalty::restored(kept.penalty, &self.outlier, now);
        self.returning = kept.returning;
        let lasts = |reason: &Reason| {
            matches!(reason, Reason::Live | Reason::Probe | Reason::Alert | Reason::Operator | Reason::Peer)
        };
        self.reasons.extend(kept.reasons().filter(lasts));
    }

    /// Other rules for the same canary, and perhaps other backends: only what those proved that are `there` still
    /// counts.
    pub(super) fn reload(&mut self, rise: u32, outlier: OutlierSpec, there: impl Fn(&BackendId) -> bool) {
        (self.rise, self.outlier) = (rise, outlier);
        self.proofs.retain(|backend, _| there(backend));
    }

    pub(super) fn admitted(&self) -> bool {
        self.reasons.is_empty()
    }

    /// Out by an ejection, or on its way back from one. Not so at the start.
    pub(super) fn ejected(&self) -> bool {
        self.returning
    }

    pub(super) fn reasons(&self) -> &Reasons {
        &self.reasons
    }

    pub(super) fn penalty(&self) -> &Penalty {
        &self.penalty
    }

    /// The reason that this balancer has seen itself, for others to follow. Never one that another told it, nor the way
    /// back: so two balancers can't hold each other.
    pub(super) fn first_hand(&self) -> Option<Reason> {
        [Reason::Live, Reason::Probe].into_iter().find(|reason| self.reasons.contains(reason))
    }

    pub(super) fn observe(&mut self, signal: Signal<'_>, now: Moment) -> Option<Turn> {
        let before = self.reasons.clone();
        let mut tried = false;
        let raised = match signal {
            Signal::Alert(stands) => {
                self.reasons.remove(&Reason::AlertUnread);
                self.stands(Reason::Alert, stands)
            }
            Signal::Operator(stands) => self.stands(Reason::Operator, stands),
            Signal::Peer(stands) => self.stands(Reason::Peer, stands),
            Signal::Probe { backend, passed, any_up } => self.probe(backend, passed, any_up),
            Signal::Live | Signal::Trial(Verdict::Failed) => self.live(now),
            Signal::Trial(Verdict::Passed) => {
                tried = before.contains(&Reason::Trial);
                None
            }
            Signal::Clock { serving } => {
                if self.reasons.contains(&Reason::Live) && self.penalty.is_over(now.at) {
                    self.penalty.lift();
                    self.stands(Reason::Live, false);
                }
                self.penalty.calm(&self.outlier, serving && before.is_empty(), now.at);
                None
            }
        };
        self.reasons.remove(&Reason::Proving);
        self.reasons.remove(&Reason::Trial);
        if self.reasons.is_empty() && !before.is_empty() {
            let needed = if self.returning { self.rise } else { 1 };
            if self.proofs.values().all(|proofs| *proofs < needed) {
                self.reasons.insert(Reason::Proving);
            } else if self.returning && !tried {
                self.reasons.insert(Reason::Trial);
            }
        }
        match (before.is_empty(), self.reasons.is_empty()) {
            (true, false) => raised.map(Turn::Ejected),
            (false, true) => Some(Turn::Admitted { back: std::mem::take(&mut self.returning) }),
            _ => (before != self.reasons).then_some(Turn::Reasons),
        }
    }

    fn stands(&mut self, reason: Reason, stands: bool) -> Option<Reason> {
        if stands {
            return self.raise(reason);
        }
        if self.reasons.remove(&reason) {
            self.proofs.clear();
        }
        None
    }

    fn probe(&mut self, backend: &BackendId, passed: bool, any_up: bool) -> Option<Reason> {
        if passed {
            self.reasons.remove(&Reason::Unprobed);
            self.stands(Reason::Probe, false);
            let proofs = self.proofs.entry(backend.clone()).or_default();
            *proofs = proofs.saturating_add(1);
            return None;
        }
        self.proofs.remove(backend);
        if any_up { None } else { self.raise(Reason::Probe) }
    }

    /// One that is out for other reasons gets no traffic: what it is told then comes too late to count again.
    fn live(&mut self, now: Moment) -> Option<Reason> {
        if self.reasons.iter().any(|reason| *reason != Reason::Trial) {
            return None;
        }
        self.penalty.impose(&self.outlier, now.at, now.chance);
        self.raise(Reason::Live)
    }

    fn raise(&mut self, reason: Reason) -> Option<Reason> {
        self.reasons.remove(&Reason::Unprobed);
        self.returning = true;
        self.proofs.clear();
        self.reasons.insert(reason).then_some(reason)
    }
}

#[cfg(test)]
mod tests;
