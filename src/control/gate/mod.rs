//! Whether the canary of a service gets traffic.
//!
//! `Ejected{reasons}` -> `Admitted`: when no reason is left and a backend has passed enough probes since the last one
//! went. `Admitted` -> `Ejected`: at once, on any reason. At the start the reasons are [`Reason::Unprobed`] and
//! [`Reason::AlertUnread`], and one passed probe is enough; after an ejection it takes `rise`. The pass that ends the
//! reason [`Reason::Probe`] is the first of them. Until then the reason is [`Reason::Proving`], so that a canary that is
//! out always has one.

use std::collections::BTreeMap;

use crate::model::{BackendId, Reason, Reasons};

/// The gate of one canary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Gate {
    /// Empty: admitted.
    reasons: Reasons,
    /// Probes passed in a row by each backend since the last reason went.
    proofs: BTreeMap<BackendId, u32>,
    needed: u32,
    rise: u32,
}

/// What a gate learns.
#[derive(Clone, Debug)]
pub(super) enum Signal<'a> {
    /// Whether an alert of any owner stands.
    Alert(bool),
    /// A probe of `backend` has ended; `any_up`: whether any backend of the canary is up after it.
    Probe { backend: &'a BackendId, passed: bool, any_up: bool },
}

/// What a signal did to the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Ejected(Reason),
    Admitted,
    /// Still out, for other reasons than before.
    Reasons,
}

impl Gate {
    pub(super) fn new(rise: u32) -> Self {
        let reasons = Reasons::from([Reason::Unprobed, Reason::AlertUnread]);
        Self { reasons, proofs: BTreeMap::new(), needed: 1, rise }
    }

    pub(super) fn admitted(&self) -> bool {
        self.reasons.is_empty()
    }

    pub(super) fn reasons(&self) -> &Reasons {
        &self.reasons
    }

    pub(super) fn observe(&mut self, signal: &Signal<'_>) -> Option<Turn> {
        let before = self.reasons.clone();
        let raised = match *signal {
            Signal::Alert(stands) => {
                self.reasons.remove(&Reason::AlertUnread);
                self.alert(stands)
            }
            Signal::Probe { backend, passed, any_up } => self.probe(backend, passed, any_up),
        };
        let was_proving = self.reasons.remove(&Reason::Proving);
        if self.reasons.is_empty() && (was_proving || !before.is_empty()) && !self.proved() {
            self.reasons.insert(Reason::Proving);
        }
        match (before.is_empty(), self.reasons.is_empty()) {
            (true, false) => raised.map(Turn::Ejected),
            (false, true) => Some(Turn::Admitted),
            _ => (before != self.reasons).then_some(Turn::Reasons),
        }
    }

    fn proved(&self) -> bool {
        self.proofs.values().any(|proofs| *proofs >= self.needed)
    }

    fn alert(&mut self, stands: bool) -> Option<Reason> {
        if stands {
            return self.raise(Reason::Alert);
        }
        if self.reasons.remove(&Reason::Alert) {
            self.proofs.clear();
        }
        None
    }

    fn probe(&mut self, backend: &BackendId, passed: bool, any_up: bool) -> Option<Reason> {
        if passed {
            self.reasons.remove(&Reason::Unprobed);
            if self.reasons.remove(&Reason::Probe) {
                self.proofs.clear();
            }
            let proofs = self.proofs.entry(backend.clone()).or_default();
            *proofs = proofs.saturating_add(1);
            return None;
        }
        self.proofs.remove(backend);
        if any_up { None } else { self.raise(Reason::Probe) }
    }

    fn raise(&mut self, reason: Reason) -> Option<Reason> {
        self.reasons.remove(&Reason::Unprobed);
        self.needed = self.rise;
        self.proofs.clear();
        self.reasons.insert(reason).then_some(reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> BackendId {
        BackendId::new(name)
    }

    fn pass(gate: &mut Gate) -> Option<Turn> {
        gate.observe(&Signal::Probe { backend: &id("a"), passed: true, any_up: true })
    }

    fn fail(gate: &mut Gate) -> Option<Turn> {
        gate.observe(&Signal::Probe { backend: &id("a"), passed: false, any_up: false })
    }

    fn alert(gate: &mut Gate, stands: bool) -> Option<Turn> {
        gate.observe(&Signal::Alert(stands))
    }

    fn admitted() -> Gate {
        let mut gate = Gate::new(2);
        alert(&mut gate, false);
        assert_eq!(pass(&mut gate), Some(Turn::Admitted));
        gate
    }

    #[test]
    fn at_the_start_one_pass_and_one_reading_are_enough_in_either_order() {
        let mut gate = Gate::new(2);
        assert_eq!(alert(&mut gate, false), Some(Turn::Reasons));
        assert_eq!(pass(&mut gate), Some(Turn::Admitted));
        let mut gate = Gate::new(2);
        assert_eq!(pass(&mut gate), Some(Turn::Reasons));
        assert_eq!(alert(&mut gate, false), Some(Turn::Admitted));
    }

    #[test]
    fn an_alert_that_stands_at_the_start_keeps_the_canary_out() {
        let mut gate = Gate::new(2);
        pass(&mut gate);
        assert_eq!(alert(&mut gate, true), Some(Turn::Reasons));
        assert_eq!(gate.reasons(), &Reasons::from([Reason::Alert]));
        pass(&mut gate);
        assert!(!gate.admitted());
    }

    #[test]
    fn an_alert_ejects_at_once_and_rise_passes_after_its_end_re_admit() {
        let mut gate = admitted();
        assert_eq!(alert(&mut gate, true), Some(Turn::Ejected(Reason::Alert)));
        assert_eq!((pass(&mut gate), pass(&mut gate)), (None, None));
        assert_eq!(alert(&mut gate, false), Some(Turn::Reasons));
        assert_eq!(pass(&mut gate), None);
        assert_eq!(pass(&mut gate), Some(Turn::Admitted));
    }

    #[test]
    fn the_pass_that_ends_the_probe_reason_counts() {
        let mut gate = admitted();
        assert_eq!(fail(&mut gate), Some(Turn::Ejected(Reason::Probe)));
        assert_eq!(pass(&mut gate), Some(Turn::Reasons));
        assert_eq!(pass(&mut gate), Some(Turn::Admitted));
    }

    #[test]
    fn a_failure_between_begins_the_count_again() {
        let mut gate = admitted();
        fail(&mut gate);
        pass(&mut gate);
        assert_eq!(fail(&mut gate), Some(Turn::Reasons));
        assert_eq!(pass(&mut gate), Some(Turn::Reasons));
        assert_eq!(pass(&mut gate), Some(Turn::Admitted));
    }

    #[test]
    fn all_reasons_must_go() {
        let mut gate = admitted();
        fail(&mut gate);
        assert_eq!(alert(&mut gate, true), Some(Turn::Reasons));
        assert_eq!(gate.reasons(), &Reasons::from([Reason::Alert, Reason::Probe]));
        pass(&mut gate);
        pass(&mut gate);
        alert(&mut gate, false);
        assert!(!gate.admitted());
        pass(&mut gate);
        assert_eq!(pass(&mut gate), Some(Turn::Admitted));
    }

    #[test]
    fn one_of_two_backends_that_fails_leaves_the_gate_open() {
        let mut gate = admitted();
        assert_eq!(gate.observe(&Signal::Probe { backend: &id("b"), passed: false, any_up: true }), None);
        assert!(gate.admitted());
    }

    #[test]
    fn a_standing_alert_read_again_changes_nothing() {
        let mut gate = admitted();
        alert(&mut gate, true);
        assert_eq!(alert(&mut gate, true), None);
    }
}
