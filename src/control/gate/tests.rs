use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::control::specimen::{RISE, later, moment, service};

const START: Turn = Turn::Admitted { back: false };
const BACK: Turn = Turn::Admitted { back: true };

fn new() -> Gate {
    Gate::new(RISE, service((1, &[]), (1, &[])).outlier)
}

fn see(gate: &mut Gate, signal: Signal<'_>) -> Option<Turn> {
    gate.observe(signal, moment())
}

fn probe(gate: &mut Gate, passed: bool) -> Option<Turn> {
    see(gate, Signal::Probe { backend: &BackendId::new("a"), passed, any_up: passed })
}

fn pass(gate: &mut Gate) -> Option<Turn> {
    probe(gate, true)
}

fn fail(gate: &mut Gate) -> Option<Turn> {
    probe(gate, false)
}

fn alert(gate: &mut Gate, stands: bool) -> Option<Turn> {
    see(gate, Signal::Alert(stands))
}

fn trial(gate: &mut Gate, verdict: Verdict) -> Option<Turn> {
    see(gate, Signal::Trial(verdict))
}

fn wait(gate: &mut Gate, seconds: u64) -> Option<Turn> {
    gate.observe(Signal::Clock { serving: false }, later(moment(), Duration::from_secs(seconds)))
}

fn admitted() -> Gate {
    let mut gate = new();
    alert(&mut gate, false);
    assert_eq!(pass(&mut gate), Some(START));
    gate
}

#[test]
fn what_fails_after_it_is_out_imposes_no_penalty() {
    let mut gate = admitted();
    alert(&mut gate, true);
    assert_eq!(see(&mut gate, Signal::Live), None);
    assert_eq!((gate.reasons(), gate.penalty().stands()), (&Reasons::from([Reason::Alert]), false));
}

/// A canary that was ejected by an alert and waits for its trial.
fn in_trial() -> Gate {
    let mut gate = admitted();
    alert(&mut gate, true);
    alert(&mut gate, false);
    pass(&mut gate);
    assert_eq!(pass(&mut gate), Some(Turn::Reasons));
    assert_eq!(gate.reasons(), &Reasons::from([Reason::Trial]));
    gate
}

#[test]
fn at_the_start_one_pass_and_one_reading_are_enough_in_either_order() {
    let mut gate = new();
    assert_eq!(alert(&mut gate, false), Some(Turn::Reasons));
    assert!(!gate.ejected());
    assert_eq!(pass(&mut gate), Some(START));
    let mut gate = new();
    assert_eq!(pass(&mut gate), Some(Turn::Reasons));
    assert_eq!(alert(&mut gate, false), Some(START));
}

#[test]
fn an_alert_that_stands_at_the_start_keeps_the_canary_out() {
    let mut gate = new();
    pass(&mut gate);
    assert_eq!(alert(&mut gate, true), Some(Turn::Reasons));
    assert_eq!(gate.reasons(), &Reasons::from([Reason::Alert]));
    pass(&mut gate);
    assert!(!gate.admitted() && gate.ejected());
}

#[test]
fn an_alert_ejects_at_once_and_its_end_rise_passes_and_a_trial_re_admit() {
    let mut gate = admitted();
    assert_eq!(alert(&mut gate, true), Some(Turn::Ejected(Reason::Alert)));
    assert_eq!((pass(&mut gate), pass(&mut gate)), (None, None));
    assert_eq!(alert(&mut gate, false), Some(Turn::Reasons));
    assert_eq!(gate.reasons(), &Reasons::from([Reason::Proving]));
    assert_eq!(pass(&mut gate), None);
    assert_eq!(pass(&mut gate), Some(Turn::Reasons));
    assert_eq!(gate.reasons(), &Reasons::from([Reason::Trial]));
    assert!(gate.ejected());
    assert_eq!(trial(&mut gate, Verdict::Passed), Some(BACK));
    assert!(!gate.ejected());
}

#[test]
fn the_pass_that_ends_the_probe_reason_counts() {
    let mut gate = admitted();
    assert_eq!(fail(&mut gate), Some(Turn::Ejected(Reason::Probe)));
    assert_eq!(pass(&mut gate), Some(Turn::Reasons));
    assert_eq!(pass(&mut gate), Some(Turn::Reasons));
    assert_eq!(gate.reasons(), &Reasons::from([Reason::Trial]));
}

#[test]
fn a_failure_between_begins_the_count_again() {
    let mut gate = admitted();
    fail(&mut gate);
    pass(&mut gate);
    assert_eq!(fail(&mut gate), Some(Turn::Reasons));
    assert_eq!(pass(&mut gate), Some(Turn::Reasons));
    assert_eq!(gate.reasons(), &Reasons::from([Reason::Proving]));
}

#[test]
fn all_reasons_must_go() {
    let mut gate = admitted();
    fail(&mut gate);
    assert_eq!(alert(&mut gate, true), Some(Turn::Reasons));
    assert_eq!(see(&mut gate, Signal::Operator(true)), Some(Turn::Reasons));
    assert_eq!(see(&mut gate, Signal::Peer(true)), Some(Turn::Reasons));
    assert_eq!(gate.reasons(), &Reasons::from([Reason::Alert, Reason::Probe, Reason::Operator, Reason::Peer]));
    pass(&mut gate);
    pass(&mut gate);
    alert(&mut gate, false);
    see(&mut gate, Signal::Peer(false));
    assert_eq!(gate.reasons(), &Reasons::from([Reason::Operator]));
    see(&mut gate, Signal::Operator(false));
    assert_eq!(gate.reasons(), &Reasons::from([Reason::Proving]), "passes from before do not count");
}

#[test]
fn one_of_two_backends_that_fails_leaves_the_gate_open() {
    let mut gate = admitted();
    assert_eq!(see(&mut gate, Signal::Probe { backend: &BackendId::new("b"), passed: false, any_up: true }), None);
    assert!(gate.admitted());
}

#[test]
fn a_standing_alert_read_again_changes_nothing() {
    let mut gate = admitted();
    alert(&mut gate, true);
    assert_eq!(alert(&mut gate, true), None);
}

#[test]
fn passed_probes_never_undo_an_ejection_by_live_traffic() {
    let mut gate = admitted();
    assert_eq!(see(&mut gate, Signal::Live), Some(Turn::Ejected(Reason::Live)));
    for _ in 0..100 {
        assert_eq!(pass(&mut gate), None);
    }
    assert_eq!(wait(&mut gate, 0), None, "its penalty runs");
    assert_eq!(wait(&mut gate, 2), Some(Turn::Reasons));
    assert_eq!(gate.reasons(), &Reasons::from([Reason::Proving]), "passes within the penalty do not count");
    pass(&mut gate);
    pass(&mut gate);
    assert!(!gate.admitted());
    assert_eq!(trial(&mut gate, Verdict::Passed), Some(BACK));
}

#[test]
fn a_failed_trial_is_an_ejection_with_a_longer_penalty() {
    let mut gate = in_trial();
    assert_eq!(trial(&mut gate, Verdict::Failed), Some(Turn::Reasons));
    assert_eq!(gate.reasons(), &Reasons::from([Reason::Live]));
    wait(&mut gate, 2);
    pass(&mut gate);
    pass(&mut gate);
    assert_eq!(trial(&mut gate, Verdict::Failed), Some(Turn::Reasons));
    assert_eq!(wait(&mut gate, 1), None, "the second one lasts two seconds");
    assert_eq!(wait(&mut gate, 3), Some(Turn::Reasons));
}

#[test]
fn a_failed_probe_and_a_new_reason_take_a_trial_back() {
    let mut gate = in_trial();
    assert_eq!(fail(&mut gate), Some(Turn::Reasons));
    assert_eq!(gate.reasons(), &Reasons::from([Reason::Probe]));
    let mut gate = in_trial();
    assert_eq!(
        see(&mut gate, Signal::Probe { backend: &BackendId::new("a"), passed: false, any_up: true }),
        Some(Turn::Reasons)
    );
    assert_eq!(gate.reasons(), &Reasons::from([Reason::Proving]), "it is not down yet");
    let mut gate = in_trial();
    see(&mut gate, Signal::Peer(true));
    assert_eq!(gate.reasons(), &Reasons::from([Reason::Peer]));
    assert_eq!(trial(&mut gate, Verdict::Passed), None, "a trial that comes too late admits nobody");
}

#[test]
fn only_what_it_has_seen_itself_is_told_to_others() {
    let mut gate = admitted();
    assert_eq!(gate.first_hand(), None);
    for (signal, told) in [
        (Signal::Alert(true), None),
        (Signal::Operator(true), None),
        (Signal::Peer(true), None),
        (Signal::Probe { backend: &BackendId::new("a"), passed: false, any_up: false }, Some(Reason::Probe)),
    ] {
        see(&mut gate, signal);
        assert_eq!(gate.first_hand(), told, "{signal:?}");
    }
    assert_eq!(in_trial().first_hand(), None);
    let mut gate = admitted();
    see(&mut gate, Signal::Live);
    assert_eq!(gate.first_hand(), Some(Reason::Live));
}

#[test]
fn two_that_follow_each_other_both_come_back() {
    let mut gates = [admitted(), admitted()];
    let follow = |gates: &mut [Gate; 2]| {
        let told = [gates[1].first_hand().is_some(), gates[0].first_hand().is_some()];
        for (gate, told) in gates.iter_mut().zip(told) {
            see(gate, Signal::Peer(told));
        }
    };
    for gate in &mut gates {
        see(gate, Signal::Live);
    }
    for _ in 0..4 {
        follow(&mut gates);
        for gate in &mut gates {
            wait(gate, 2);
            pass(gate);
            pass(gate);
            trial(gate, Verdict::Passed);
        }
    }
    assert!(gates.iter().all(Gate::admitted), "{gates:?}");
}

fn any_signal() -> impl Strategy<Value = (u8, bool, bool)> {
    (0..7_u8, any::<bool>(), any::<bool>())
}

proptest! {
    #[test]
    fn whatever_happens_a_canary_that_is_out_has_a_reason_and_comes_back_by_a_trial_alone(
        steps in prop::collection::vec(any_signal(), 0..200),
    ) {
        let mut gate = new();
        let mut now = moment();
        let a = BackendId::new("a");
        let mut was_admitted = false;
        for (kind, flag, other) in steps {
            let signal = match kind {
                0 => Signal::Alert(flag),
                1 => Signal::Probe { backend: &a, passed: flag, any_up: flag || other },
                2 => Signal::Live,
                3 => Signal::Operator(flag),
                4 => Signal::Peer(flag),
                5 => Signal::Trial(if flag { Verdict::Passed } else { Verdict::Failed }),
                _ => Signal::Clock { serving: gate.admitted() },
            };
            let before = gate.reasons().clone();
            let ejected = gate.ejected();
            let turn = gate.observe(signal, now);
            prop_assert_eq!(gate.admitted(), gate.reasons().is_empty());
            prop_assert!(!(gate.admitted() && gate.ejected()));
            match turn {
                Some(Turn::Admitted { back }) => {
                    prop_assert_eq!(back, ejected);
                    let by_trial = before == Reasons::from([Reason::Trial])
                        && matches!(signal, Signal::Trial(Verdict::Passed));
                    prop_assert!(!back || by_trial, "{before:?} {signal:?}");
                    was_admitted = true;
                }
                Some(Turn::Ejected(reason)) => prop_assert!(gate.reasons().contains(&reason)),
                Some(Turn::Reasons) => prop_assert!(!gate.admitted() && *gate.reasons() != before),
                None => prop_assert_eq!(gate.reasons(), &before),
            }
            prop_assert!(!was_admitted || gate.admitted() || gate.ejected());
            now = later(now, Duration::from_millis(700));
        }
    }
}
