use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::control::specimen::{alert_at, end_trial, healthy_by, later, moment, probe_at};
use crate::health::outlier::Offence;
use crate::model::ServiceSpec;

const SECOND: Duration = Duration::from_secs(1);
const FIVE: &[&str] = &["a", "b", "e", "f", "g"];

pub(super) fn member<'a>(fleet: &'a Fleet, id: &str) -> &'a Member {
    fleet.services[0].members.iter().find(|member| member.target.backend.as_str() == id).unwrap()
}

/// Requests of clients end on a backend, as the data plane counts them.
pub(super) fn end(fleet: &Fleet, id: &str, passed: u32, failed: u32) {
    let member = member(fleet, id);
    let together = member.is(Track::Canary).then(|| fleet.services[0].together.clone());
    for _ in 0..passed {
        member.outcomes.pass();
        together.iter().for_each(|together| together.pass());
    }
    for _ in 0..failed {
        member.outcomes.fail();
        together.iter().for_each(|together| together.fail());
    }
}

pub(super) fn reasons(fleet: &Fleet) -> Reasons {
    fleet.services[0].gate.as_ref().unwrap().reasons().clone()
}

pub(super) fn turns(changes: &[Change]) -> Vec<Turn> {
    changes.iter().filter_map(|change| change.turn).collect()
}

pub(super) fn one_canary() -> ServiceSpec {
    service((2, &["a", "b"]), (1, &["c"]))
}

/// A canary that failed live traffic at `now`, with the moment at which it waits for its trial.
pub(super) fn in_trial(mut fleet: Fleet, now: Moment) -> (Fleet, Moment) {
    end(&fleet, "c", 0, 5);
    fleet.look(now);
    assert_eq!(reasons(&fleet), Reasons::from([Reason::Live]));
    let now = later(now, 2 * SECOND);
    fleet.look(now);
    for _ in 0..RISE {
        probe_at(&mut fleet, Track::Canary, "c", true, now);
    }
    assert_eq!(reasons(&fleet), Reasons::from([Reason::Trial]));
    (fleet, now)
}

#[test]
fn five_failures_in_a_row_eject_a_canary_whose_probe_passes() {
    let now = moment();
    let mut fleet = healthy_by(one_canary(), now);
    end(&fleet, "a", 10, 0);
    end(&fleet, "c", 10, 4);
    assert!(fleet.look(now).is_empty());
    end(&fleet, "c", 0, 1);
    let changes = fleet.look(now);
    assert_eq!(turns(&changes), [Turn::Ejected(Reason::Live)]);
    assert_eq!(changes[0].news, [News::Accused(Offence::InARow(5))]);
    assert_eq!(rotation(&fleet), ["a", "b"]);
    for _ in 0..10 {
        probe_at(&mut fleet, Track::Canary, "c", true, now);
    }
    assert!(!fleet.services[0].admitted());
}

#[test]
fn too_small_a_share_of_successes_ejects_the_canary() {
    let now = moment();
    let mut fleet = healthy_by(one_canary(), now);
    end(&fleet, "a", 30, 0);
    for _ in 0..3 {
        end(&fleet, "c", 0, 1);
        end(&fleet, "c", 5, 0);
    }
    end(&fleet, "c", 1, 0);
    assert!(fleet.look(later(now, SECOND)).is_empty(), "16 of 19 passed: too few requests to tell");
    end(&fleet, "c", 1, 0);
    assert_eq!(turns(&fleet.look(later(now, SECOND))), [Turn::Ejected(Reason::Live)]);
}

#[test]
fn it_comes_back_by_a_trial_and_starts_with_a_clean_record() {
    let now = moment();
    let (mut fleet, now) = in_trial(healthy_by(one_canary(), now), now);
    assert!(fleet.services[0].plan.trying.is_some());
    assert_eq!(turns(&end_trial(&mut fleet, true, now)), [Turn::Admitted { back: true }]);
    end(&fleet, "c", 0, 4);
    assert!(fleet.look(now).is_empty(), "what failed before it was ejected is forgotten");
    end(&fleet, "c", 0, 1);
    assert_eq!(turns(&fleet.look(now)), [Turn::Ejected(Reason::Live)]);
    assert!(fleet.look(later(now, SECOND)).is_empty(), "the second time it lasts two seconds");
    assert!(!fleet.look(later(now, 3 * SECOND)).is_empty());
}

#[test]
fn a_failed_trial_sends_it_back_to_the_start() {
    let now = moment();
    let (mut fleet, now) = in_trial(healthy_by(one_canary(), now), now);
    end_trial(&mut fleet, false, now);
    assert_eq!(reasons(&fleet), Reasons::from([Reason::Live]));
    assert!(fleet.services[0].trial.is_none() && fleet.services[0].plan.trying.is_none());
}

#[test]
fn without_a_request_that_may_be_repeated_there_is_no_trial() {
    let now = moment();
    let (mut fleet, now) = in_trial(healthy_by(one_canary(), now), now);
    let trial = fleet.services[0].trial.as_ref().unwrap().trial.clone();
    for _ in 0..19 {
        trial.pass_over();
    }
    assert!(fleet.look(later(now, 11 * SECOND)).is_empty());
    trial.pass_over();
    assert!(fleet.look(later(now, 9 * SECOND)).is_empty());
    let seat = trial.claim();
    assert!(fleet.look(later(now, 11 * SECOND)).is_empty(), "one is under way");
    drop(seat);
    assert_eq!(turns(&fleet.look(later(now, 11 * SECOND))), [Turn::Admitted { back: true }]);
}

#[test]
fn an_answer_that_goes_on_for_long_is_good_enough() {
    let now = moment();
    let (mut fleet, now) = in_trial(healthy_by(one_canary(), now), now);
    let trial = fleet.services[0].trial.as_ref().unwrap().trial.clone();
    let seat = trial.claim().unwrap();
    assert!(fleet.look(later(now, 11 * SECOND)).is_empty(), "it waits for its answer");
    seat.answered();
    assert!(fleet.look(later(now, 20 * SECOND)).is_empty(), "it has begun");
    assert!(fleet.look(later(now, 29 * SECOND)).is_empty());
    assert_eq!(turns(&fleet.look(later(now, 30 * SECOND))), [Turn::Admitted { back: true }]);
}

#[test]
fn an_answer_that_breaks_off_soon_is_none() {
    let now = moment();
    let (mut fleet, now) = in_trial(healthy_by(one_canary(), now), now);
    let trial = fleet.services[0].trial.as_ref().unwrap().trial.clone();
    let seat = trial.claim().unwrap();
    seat.answered();
    assert!(fleet.look(now).is_empty());
    seat.failed();
    fleet.look(later(now, 10 * SECOND));
    assert_eq!(reasons(&fleet), Reasons::from([Reason::Live]));
}

#[test]
fn each_trial_is_another_one() {
    let now = moment();
    let (mut fleet, now) = in_trial(healthy_by(one_canary(), now), now);
    let first = fleet.services[0].plan.trying.clone().unwrap();
    alert_at(&mut fleet, true, now);
    assert!(fleet.services[0].plan.trying.is_none());
    alert_at(&mut fleet, false, now);
    for _ in 0..RISE {
        probe_at(&mut fleet, Track::Canary, "c", true, now);
    }
    assert_ne!(fleet.services[0].plan.trying.clone().unwrap().0, first.0);
}

#[test]
fn a_canary_without_weight_has_no_trial() {
    let now = moment();
    let mut fleet = healthy_by(service((2, &["a", "b"]), (0, &["c"])), now);
    alert_at(&mut fleet, true, now);
    alert_at(&mut fleet, false, now);
    let turns: Vec<_> = (0..RISE).map(|_| probe_at(&mut fleet, Track::Canary, "c", true, now).unwrap().turn).collect();
    assert_eq!(turns, [None, Some(Turn::Admitted { back: true })]);
}

#[test]
fn the_share_grows_after_a_way_back_and_not_at_the_start() {
    let now = moment();
    let mut spec = one_canary();
    spec.canary.as_mut().unwrap().slow_start = Some(10 * SECOND);
    let fleet = healthy_by(spec, now);
    assert_eq!(fleet.services[0].plan.weights, [2, 1]);
    let (mut fleet, now) = in_trial(fleet, now);
    end_trial(&mut fleet, true, now);
    assert_eq!(fleet.services[0].plan.weights, [29, 1]);
    let steps = (1..=12).flat_map(|second| fleet.look(later(now, second * SECOND))).filter(|change| change.routing);
    assert_eq!(steps.count(), 9);
    assert_eq!(fleet.services[0].plan.weights, [2, 1]);
}

#[test]
fn one_of_stable_goes_out_for_its_penalty_and_one_more_passed_probe() {
    let now = moment();
    let mut fleet = healthy_by(service((2, FIVE), (1, &["c"])), now);
    for id in ["b", "e", "f", "g", "c"] {
        end(&fleet, id, 1, 0);
    }
    end(&fleet, "a", 0, 5);
    let changes = fleet.look(now);
    assert_eq!(rotated(&changes[0]), ["-a 4/5 live traffic"]);
    assert_eq!(rotation(&fleet), ["b", "e", "f", "g", "c"]);
    assert!(!fleet.look(later(now, 2 * SECOND)).iter().any(|change| change.routing), "no probe has passed since");
    probe_at(&mut fleet, Track::Stable, "a", true, later(now, 2 * SECOND));
    assert_eq!(rotation(&fleet), ["a", "b", "e", "f", "g", "c"]);
}

#[test]
fn a_passed_probe_within_the_penalty_is_enough() {
    let now = moment();
    let mut fleet = healthy_by(one_canary(), now);
    end(&fleet, "b", 1, 0);
    end(&fleet, "a", 0, 5);
    fleet.look(now);
    probe_at(&mut fleet, Track::Stable, "a", true, now);
    assert_eq!(rotation(&fleet), ["b", "c"]);
    let changes = fleet.look(later(now, 2 * SECOND));
    assert!(changes[0].news.contains(&News::Back(specimen::target(Track::Stable, "a"))), "{changes:?}");
    assert_eq!(rotation(&fleet), ["a", "b", "c"]);
}

#[test]
fn of_five_in_stable_one_is_out_at_a_time_and_never_the_last() {
    let now = moment();
    let mut fleet = healthy_by(service((2, FIVE), (1, &["c"])), now);
    end(&fleet, "c", 1, 0);
    for id in ["a", "b", "e"] {
        end(&fleet, id, 0, 9);
    }
    fleet.look(now);
    assert_eq!(rotation(&fleet), ["b", "e", "f", "g", "c"]);

    let mut fleet = healthy_by(one_canary(), now);
    end(&fleet, "c", 1, 0);
    end(&fleet, "a", 0, 9);
    probe_at(&mut fleet, Track::Stable, "b", false, now);
    assert!(fleet.look(now).is_empty(), "b is down by its probe");
    assert_eq!(rotation(&fleet), ["a", "c"]);
}

#[test]
fn one_that_is_out_by_live_traffic_comes_back_when_the_others_go() {
    let now = moment();
    let mut fleet = healthy_by(one_canary(), now);
    end(&fleet, "b", 1, 0);
    end(&fleet, "a", 0, 5);
    fleet.look(now);
    assert_eq!(rotation(&fleet), ["b", "c"]);
    let change = probe_at(&mut fleet, Track::Stable, "b", false, now).unwrap();
    assert!(change.routing);
    assert_eq!(rotation(&fleet), ["a", "c"]);
}

#[test]
fn one_of_two_in_the_canary_goes_alone_and_the_last_one_takes_the_canary_along() {
    let now = moment();
    let mut fleet = healthy_by(service(STABLE, CANARY), now);
    end(&fleet, "a", 1, 0);
    end(&fleet, "d", 1, 0);
    end(&fleet, "c", 0, 5);
    let changes = fleet.look(now);
    assert_eq!((turns(&changes), rotation(&fleet)), (vec![], vec!["a", "b", "d"]));
    end(&fleet, "d", 0, 5);
    assert_eq!(turns(&fleet.look(now)), [Turn::Ejected(Reason::Live)]);

    let mut fleet = healthy_by(service(STABLE, CANARY), now);
    end(&fleet, "a", 1, 0);
    end(&fleet, "c", 0, 5);
    fleet.look(now);
    let change = probe_at(&mut fleet, Track::Canary, "d", false, now).unwrap();
    assert_eq!(change.turn, Some(Turn::Ejected(Reason::Live)), "d is down, and c is out");
}

#[test]
fn when_all_fail_together_nobody_is_ejected_then_or_afterwards() {
    let now = moment();
    let mut fleet = healthy_by(one_canary(), now);
    for id in ["a", "b", "c"] {
        end(&fleet, id, 50, 0);
    }
    fleet.look(now);
    for id in ["a", "b"] {
        end(&fleet, id, 0, 2);
    }
    end(&fleet, "c", 0, 9);
    let changes = fleet.look(now);
    assert_eq!(changes[0].news, [News::Degraded(true)]);
    assert_eq!((turns(&changes), rotation(&fleet)), (vec![], vec!["a", "b", "c"]));
    for second in 1..8 {
        for id in ["a", "b", "c"] {
            end(&fleet, id, 0, 20);
        }
        assert!(fleet.look(later(now, second * SECOND)).is_empty());
    }
    let back = later(now, 11 * SECOND);
    end(&fleet, "a", 5, 0);
    fleet.look(later(now, 10 * SECOND));
    end(&fleet, "a", 5, 0);
    fleet.look(back);
    assert!(!fleet.services[0].degraded);
    assert_eq!(rotation(&fleet), ["a", "b", "c"]);
    assert!(fleet.look(later(back, SECOND)).is_empty());
}

#[test]
fn however_many_may_be_out_one_of_stable_stays() {
    let now = moment();
    let mut spec = one_canary();
    spec.outlier.max_ejected_percent = 100;
    let mut fleet = healthy_by(spec, now);
    end(&fleet, "c", 1, 0);
    for id in ["a", "b"] {
        end(&fleet, id, 0, 5);
    }
    fleet.look(now);
    assert_eq!(rotation(&fleet), ["b", "c"]);
}

#[test]
fn one_failure_of_each_is_not_yet_a_degraded_service() {
    let now = moment();
    let mut fleet = healthy_by(one_canary(), now);
    for id in ["a", "b", "c"] {
        end(&fleet, id, 0, 1);
    }
    assert!(fleet.look(now).is_empty());
    end(&fleet, "a", 0, 1);
    assert_eq!(fleet.look(now)[0].news, [News::Degraded(true)]);
}

#[test]
fn a_trial_that_fails_while_all_fail_is_not_held_against_the_canary() {
    let now = moment();
    let (mut fleet, now) = in_trial(healthy_by(one_canary(), now), now);
    let first = fleet.services[0].plan.trying.clone().unwrap();
    for id in ["a", "b"] {
        end(&fleet, id, 0, 1);
    }
    end_trial(&mut fleet, false, now);
    assert_eq!(reasons(&fleet), Reasons::from([Reason::Trial]));
    assert_ne!(fleet.services[0].plan.trying.clone().unwrap().0, first.0, "there is another one");
}

#[test]
fn one_that_fails_alone_in_a_quiet_service_is_no_shared_fault() {
    let mut now = moment();
    let mut fleet = healthy_by(one_canary(), now);
    for turn in 1..=5 {
        now = later(now, 5 * SECOND);
        end(&fleet, "a", 0, 1);
        let changes = fleet.look(now);
        assert!(!fleet.services[0].degraded, "turn {turn}: {changes:?}");
        end(&fleet, "b", 1, 0);
        now = later(now, SECOND / 10);
        fleet.look(now);
    }
    assert_eq!(rotation(&fleet), ["b", "c"]);
}

#[test]
fn a_share_that_is_too_small_in_stable_as_well_is_not_held_against_the_canary() {
    let now = moment();
    let mut fleet = healthy_by(one_canary(), now);
    for id in ["a", "b", "c"] {
        for _ in 0..10 {
            end(&fleet, id, 1, 1);
            end(&fleet, id, 1, 0);
        }
    }
    let changes = fleet.look(now);
    assert_eq!((turns(&changes), fleet.services[0].admitted()), (vec![], true));
    end(&fleet, "c", 0, 5);
    assert_eq!(turns(&fleet.look(now)), [Turn::Ejected(Reason::Live)], "a row is");
}

#[test]
fn backends_of_the_canary_that_are_each_too_quiet_to_tell_are_judged_together() {
    let now = moment();
    let mut fleet = healthy_by(service(STABLE, CANARY), now);
    end(&fleet, "a", 40, 0);
    for _ in 0..3 {
        for id in ["c", "d"] {
            end(&fleet, id, 0, 1);
            end(&fleet, id, 3, 0);
        }
    }
    assert_eq!(turns(&fleet.look(now)), [Turn::Ejected(Reason::Live)], "6 of 24 failed");
}

#[test]
fn a_degraded_service_that_recovers_holds_nothing_against_a_member_that_is_slower_to_be_asked() {
    let now = moment();
    let mut fleet = healthy_by(one_canary(), now);
    for id in ["a", "b", "c"] {
        end(&fleet, id, 0, 20);
    }
    fleet.look(now);
    assert!(fleet.services[0].degraded);
    end(&fleet, "a", 1, 0);
    let changes = fleet.look(later(now, SECOND));
    assert_eq!((changes[0].news.as_slice(), turns(&changes)), (&[News::Degraded(false)][..], vec![]));
    for _ in 0..4 {
        end(&fleet, "c", 0, 1);
        assert!(fleet.look(later(now, 2 * SECOND)).is_empty());
    }
    assert_eq!(rotation(&fleet), ["a", "b", "c"]);
}

#[test]
fn a_canary_that_was_ejected_before_all_failed_waits_for_its_trial_until_that_is_over() {
    let now = moment();
    let (mut fleet, now) = in_trial(healthy_by(one_canary(), now), now);
    for id in ["a", "b"] {
        end(&fleet, id, 0, 5);
    }
    fleet.look(now);
    assert!(fleet.services[0].degraded && fleet.services[0].plan.trying.is_none());
    let changes: Vec<_> = (1..12).flat_map(|second| fleet.look(later(now, second * SECOND))).collect();
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert!(!fleet.services[0].degraded && fleet.services[0].plan.trying.is_some(), "silence ends it");
}

#[test]
fn a_canary_stays_while_nothing_is_up_in_stable() {
    let now = moment();
    let mut fleet = healthy_by(one_canary(), now);
    for id in ["a", "b"] {
        probe_at(&mut fleet, Track::Stable, id, false, now);
    }
    end(&fleet, "c", 0, 50);
    assert!(fleet.look(now).is_empty());
    probe_at(&mut fleet, Track::Stable, "a", true, now);
    assert_eq!(turns(&fleet.look(now)), [Turn::Ejected(Reason::Live)]);
}

proptest! {
    #[test]
    fn whatever_happens_stable_goes_on_and_a_canary_that_is_out_has_a_reason(
        steps in prop::collection::vec((0..6_u8, 0..5_usize, any::<bool>(), 0..7_u32, 0..3_000_u64), 0..120),
    ) {
        let mut now = moment();
        let names = ["a", "b", "e", "c", "d"];
        let mut fleet = healthy_by(service((2, &names[..3]), (1, &names[3..])), now);
        for (kind, which, flag, count, pause) in steps {
            let id = names[which];
            let track = if which < 3 { Track::Stable } else { Track::Canary };
            match kind {
                0 => drop(probe_at(&mut fleet, track, id, flag, now)),
                1 => drop(alert_at(&mut fleet, flag, now)),
                2 => end(&fleet, id, count, 0),
                3 => end(&fleet, id, 0, count),
                4 if fleet.services[0].trial.is_some() => drop(end_trial(&mut fleet, flag, now)),
                _ => drop(fleet.look(now)),
            }
            now = later(now, Duration::from_millis(pause));
            let service = &fleet.services[0];
            let up = service.members.iter().filter(|member| member.is(Track::Stable) && member.is_up()).count();
            let out = service.members.iter().filter(|member| member.is(Track::Stable) && member.penalty.stands()).count();
            prop_assert!(out <= 1, "{out}");
            prop_assert!(up == 0 || service.plan.up() > 0 || !service.plan.canary.is_empty());
            prop_assert!(up < 2 || service.plan.up() > 0, "live traffic took the last one");
            let reasons = service.gate.as_ref().unwrap().reasons();
            prop_assert_eq!(service.admitted(), reasons.is_empty());
            prop_assert_eq!(service.trial.is_some(), reasons.contains(&Reason::Trial));
            prop_assert!(service.admitted() || service.plan.canary.is_empty());
        }
    }
}
