//! Whatever happened, everything comes back when nothing speaks against it.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::live::{end, member, reasons, turns};
use super::marks::mark;
use super::*;
use crate::control::specimen::{alert_at, end_trial, healthy_by, later, probe_at};
use crate::model::{
    BackendId, DrainMark, EjectMark, LeaseMark, Marks, Note, PeerMark, ServiceSpec, Weight, WeightMark,
};

const SECOND: Duration = Duration::from_secs(1);
const NAMES: [&str; 7] = ["a", "b", "e", "f", "g", "c", "d"];

fn five_and_two() -> ServiceSpec {
    let mut spec = service((2, &NAMES[..5]), (1, &NAMES[5..]));
    spec.canary.as_mut().unwrap().slow_start = Some(10 * SECOND);
    spec
}

fn track(which: usize) -> Track {
    if which < 5 { Track::Stable } else { Track::Canary }
}

#[test]
fn one_that_waits_for_its_probe_comes_back_when_the_others_go() {
    let now = moment();
    let mut fleet = healthy_by(service((2, &["a", "b"]), (1, &["c"])), now);
    end(&fleet, "b", 1, 0);
    end(&fleet, "a", 0, 5);
    fleet.look(now);
    let now = later(now, 2 * SECOND);
    fleet.look(now);
    assert_eq!(rotation(&fleet), ["b", "c"], "its penalty is over, and no probe has passed");
    probe_at(&mut fleet, Track::Stable, "b", false, now);
    assert_eq!(rotation(&fleet), ["a", "c"]);
}

#[test]
fn one_that_waits_for_its_probe_still_is_the_one_of_five_that_may_be_out() {
    let now = moment();
    let mut fleet = healthy_by(five_and_two(), now);
    end(&fleet, "g", 1, 0);
    end(&fleet, "a", 0, 5);
    fleet.look(now);
    let now = later(now, 2 * SECOND);
    fleet.look(now);
    end(&fleet, "b", 0, 5);
    fleet.look(now);
    assert_eq!(rotation(&fleet), ["b", "e", "f", "g", "c", "d"]);
    probe_at(&mut fleet, Track::Stable, "a", true, now);
    fleet.look(now);
    assert_eq!(rotation(&fleet), ["a", "e", "f", "g", "c", "d"]);
}

#[test]
fn a_canary_whose_last_backend_goes_while_another_waits_for_its_probe_is_ejected() {
    let now = moment();
    let mut fleet = healthy_by(service(STABLE, CANARY), now);
    end(&fleet, "a", 1, 0);
    end(&fleet, "c", 0, 5);
    fleet.look(now);
    let now = later(now, 2 * SECOND);
    fleet.look(now);
    assert_eq!(rotation(&fleet), ["a", "b", "d"]);
    let change = probe_at(&mut fleet, Track::Canary, "d", false, now).unwrap();
    assert_eq!(change.turn, Some(Turn::Ejected(Reason::Live)));
}

#[test]
fn a_canary_without_weight_that_nobody_may_serve_for_is_not_let_in_and_out_again() {
    let now = moment();
    let mut fleet = healthy_by(service((2, &["a", "b"]), (0, &["c", "d"])), now);
    end(&fleet, "a", 100, 0);
    let mut now = now;
    // A penalty of a single backend that lasts.
    for _ in 0..5 {
        end(&fleet, "c", 0, 5);
        fleet.look(now);
        probe_at(&mut fleet, Track::Canary, "c", true, now);
        if member(&fleet, "c").penalty.remaining(now.at).is_some_and(|left| left > 10 * SECOND) {
            break;
        }
        now = later(now, 9 * SECOND);
        fleet.look(now);
    }
    assert_eq!(rotation(&fleet), ["a", "b", "d"]);
    probe_at(&mut fleet, Track::Canary, "d", false, now);
    assert_eq!(reasons(&fleet), Reasons::from([Reason::Live]));
    let seen: Vec<_> = (1..8)
        .flat_map(|second| {
            let now = later(now, second * SECOND);
            let passed = probe_at(&mut fleet, Track::Canary, "c", true, now);
            passed.into_iter().chain(fleet.look(now)).collect::<Vec<_>>()
        })
        .collect();
    assert!(turns(&seen).iter().all(|turn| *turn == Turn::Reasons), "{seen:?}");
}

/// What operators and other balancers may say, by number.
fn said(what: u32, which: usize, now: Moment) -> Marks {
    let backend = BackendId::new(NAMES[which]);
    let (weight, note) = (|weight| Weight::new(weight).unwrap(), Note::default());
    match what {
        0 => Marks { ejection: Some(EjectMark::default()), ..Marks::default() },
        1 => Marks { peers: [(Arc::from("lb2"), PeerMark { reason: Reason::Live })].into(), ..Marks::default() },
        2 => Marks { weights: Some(WeightMark { stable: weight(1000), canary: weight(0), note }), ..Marks::default() },
        3 => Marks { weights: Some(WeightMark { stable: weight(0), canary: weight(999), note }), ..Marks::default() },
        4 => Marks { drains: [(backend, DrainMark { keep_sessions: which > 2, note })].into(), ..Marks::default() },
        5 => {
            let until = now.wall + 3 * SECOND;
            Marks { lease: Some(LeaseMark { id: "one".into(), backend, until, note }), ..Marks::default() }
        }
        _ => Marks::default(),
    }
}

/// The next second of a day on which nothing is wrong.
fn calm(fleet: &mut Fleet, now: Moment) {
    for (which, id) in NAMES.iter().enumerate() {
        probe_at(fleet, track(which), id, true, now);
    }
    let routed: Vec<String> = rotation(fleet).iter().map(ToString::to_string).collect();
    for id in routed {
        end(fleet, &id, 3, 0);
    }
    if fleet.services[0].plan.trying.is_some() {
        end_trial(fleet, true, now);
    }
    fleet.look(now);
}

proptest! {
    #[test]
    fn whatever_was_said_and_whatever_failed_all_comes_back_when_it_is_over(
        steps in prop::collection::vec((0..8_u8, 0..7_usize, any::<bool>(), 0..8_u32, 0..3_000_u64), 0..150),
    ) {
        let mut now = moment();
        let mut fleet = healthy_by(five_and_two(), now);
        for (kind, which, flag, count, pause) in steps {
            let id = NAMES[which];
            match kind {
                0 => drop(probe_at(&mut fleet, track(which), id, flag, now)),
                1 => drop(alert_at(&mut fleet, flag, now)),
                2 => end(&fleet, id, count, 0),
                3 => end(&fleet, id, 0, count),
                4 if fleet.services[0].plan.trying.is_some() => drop(end_trial(&mut fleet, flag, now)),
                5 => drop(mark(&mut fleet, &said(count, which, now), now)),
                _ => drop(fleet.look(now)),
            }
            now = later(now, Duration::from_millis(pause));
            let service = &fleet.services[0];
            let stable = || service.members.iter().filter(|member| member.is(Track::Stable));
            let free = |member: &&Member| member.is_up() && service.drained(member).is_none();
            let out = stable().filter(free).filter(|member| !member.may_serve() && !member.unproved).count();
            prop_assert!(out <= 1, "{out}");
            let lent = stable().any(|member| free(&member) && member.unproved);
            prop_assert!(stable().filter(free).count() == 0 || lent || service.plan.up() > 0);
            prop_assert_eq!(service.admitted(), service.gate.as_ref().unwrap().reasons().is_empty());
            let plan = &service.plan;
            prop_assert!(table::Schedule::new(&plan.weights).is_some());
            prop_assert!(!plan.stable.is_empty() || (!plan.canary.is_empty() && plan.weights[1] > 0));
            let waits = |member: &Member| service.drained(member).is_some() || member.unproved;
            let excused = service.members.iter().any(|member| member.is(Track::Canary) && waits(member));
            prop_assert!(!service.admitted() || !plan.canary.is_empty() || excused, "admitted, and nobody serves");
        }
        alert_at(&mut fleet, false, now);
        mark(&mut fleet, &Marks::default(), now);
        // The longest penalty twice: of a backend, and then of the canary.
        for _ in 0..1000 {
            let service = &fleet.services[0];
            if rotation(&fleet) == NAMES && service.plan.weights == [2, 1] && !service.degraded {
                break;
            }
            now = later(now, SECOND);
            calm(&mut fleet, now);
        }
        prop_assert_eq!(rotation(&fleet), NAMES, "{:?}", reasons(&fleet));
        prop_assert_eq!(fleet.services[0].plan.weights, [2, 1]);
        prop_assert!(!fleet.services[0].degraded && fleet.services[0].plan.kept.is_empty());
    }
}
