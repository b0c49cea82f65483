//! What an event changes of a service, told to a fleet without sockets or clock.

use super::*;
use std::time::SystemTime;

use crate::control::gate::Turn;
use crate::control::moment::Moment;
use crate::control::specimen;
use crate::control::specimen::{RISE, alert, fleet, healthy, pass_trial, probe, service};
use crate::model::{Reason, Reasons, Track};
use crate::table;

mod kept;
mod live;
mod marks;
mod reload;
mod way_back;

const STABLE: (u16, &[&str]) = (2, &["a", "b"]);
const CANARY: (u16, &[&str]) = (1, &["c", "d"]);

fn moment() -> Moment {
    Moment { wall: SystemTime::UNIX_EPOCH, ..specimen::moment() }
}

/// Who gets traffic, stable first.
fn rotation(fleet: &Fleet) -> Vec<&str> {
    let plan = &fleet.services[0].plan;
    plan.stable.iter().chain(&plan.canary).map(|target| target.backend.as_str()).collect()
}

/// Who came into rotation or left it, how many of the track are in it, and why.
fn rotated(change: &Change) -> Vec<String> {
    let word = |rotation: &Rotation| {
        let Rotation { target, rotates, tally: Tally { up, of, .. }, cause } = rotation;
        format!("{}{} {up}/{of} {cause}", if *rotates { '+' } else { '-' }, target.backend)
    };
    change.rotations.iter().map(word).collect()
}

#[test]
fn stable_starts_in_rotation_and_a_canary_has_to_pass_first() {
    let mut fleet = fleet(service(STABLE, CANARY), moment());
    assert_eq!(rotation(&fleet), ["a", "b"]);
    let first = probe(&mut fleet, Track::Canary, "d", true).unwrap();
    assert!(!first.routing && first.visible && first.turn == Some(Turn::Reasons), "{first:?}");
    assert_eq!(rotation(&fleet), ["a", "b"]);
    assert!(!fleet.services[0].admitted(), "its alert is unread");
    let read = alert(&mut fleet, false).unwrap();
    assert_eq!((read.turn, read.routing), (Some(Turn::Admitted { back: false }), true));
    assert_eq!(rotation(&fleet), ["a", "b", "d"]);
}

#[test]
fn only_a_change_of_rotation_or_of_the_gate_routes_anew() {
    let mut fleet = healthy(STABLE, CANARY);
    let again = probe(&mut fleet, Track::Stable, "a", true).unwrap();
    assert!(!again.routing && !again.visible, "{again:?}");
    let down = probe(&mut fleet, Track::Stable, "b", false).unwrap();
    assert_eq!((down.routing, down.turn), (true, None));
    assert_eq!(down.news, [News::Health(specimen::target(Track::Stable, "b"))]);
    assert_eq!(rotated(&down), ["-b 1/2 probe"]);
    assert_eq!(rotation(&fleet), ["a", "c", "d"]);
    let read_again = alert(&mut fleet, false).unwrap();
    assert_eq!((read_again.routing, read_again.turn), (false, None));
}

#[test]
fn the_first_probe_of_stable_changes_what_is_shown_but_not_what_is_routed() {
    let mut fleet = fleet(service(STABLE, CANARY), moment());
    let first = probe(&mut fleet, Track::Stable, "a", true).unwrap();
    assert_eq!(first.news, [News::Health(specimen::target(Track::Stable, "a"))]);
    assert!(!first.routing && first.visible);
}

#[test]
fn a_canary_is_ejected_by_its_last_backend_and_not_by_its_first() {
    let mut fleet = healthy(STABLE, CANARY);
    let first = probe(&mut fleet, Track::Canary, "c", false).unwrap();
    assert_eq!((first.turn, first.routing), (None, true));
    let last = probe(&mut fleet, Track::Canary, "d", false).unwrap();
    assert_eq!((last.turn, last.routing), (Some(Turn::Ejected(Reason::Probe)), true));
}

#[test]
fn the_gate_remembers_when_it_moved() {
    let mut fleet = healthy(STABLE, CANARY);
    let admitted = fleet.services[0].gate_since;
    assert!(admitted > SystemTime::UNIX_EPOCH);
    probe(&mut fleet, Track::Canary, "c", true);
    assert_eq!(fleet.services[0].gate_since, admitted);
    let ejected = alert(&mut fleet, true).unwrap();
    assert_eq!((ejected.turn, ejected.routing), (Some(Turn::Ejected(Reason::Alert)), true));
    assert_eq!(fleet.services[0].owners.len(), 1);
    alert(&mut fleet, false);
    let turns: Vec<_> = (0..RISE).map(|_| probe(&mut fleet, Track::Canary, "c", true).unwrap().turn).collect();
    assert_eq!(turns, [None, Some(Turn::Reasons)]);
    let ejected = fleet.services[0].gate_since;
    pass_trial(&mut fleet);
    assert!(fleet.services[0].admitted() && fleet.services[0].gate_since >= ejected);
}

#[test]
fn an_alert_of_a_service_without_a_canary_ejects_nobody() {
    let mut fleet = healthy(STABLE, (0, &[]));
    let change = alert(&mut fleet, true).unwrap();
    assert_eq!((change.turn, change.routing, change.visible), (None, false, true));
    assert!(!fleet.services[0].admitted());
}

#[test]
fn what_is_not_configured_changes_nothing() {
    let mut fleet = healthy(STABLE, CANARY);
    assert_eq!(probe(&mut fleet, Track::Canary, "a", false), None, "a is a backend of stable");
    assert_eq!(rotation(&fleet), ["a", "b", "c", "d"]);
}

#[test]
fn readiness_waits_for_a_probe_of_each_backend_and_for_each_alert() {
    let mut fleet = fleet(service((2, &["a"]), (1, &["c"])), moment());
    probe(&mut fleet, Track::Stable, "a", false);
    assert!(!fleet.all_probed() && !fleet.all_alerts_read());
    probe(&mut fleet, Track::Canary, "c", false);
    alert(&mut fleet, true);
    assert!(fleet.all_probed() && fleet.all_alerts_read());
}
