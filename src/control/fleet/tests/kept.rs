use super::*;
use crate::control::keepsake::{Keepsake, KeptTurns};
use crate::control::specimen::{alert_at, end_trial, endpoint, healthy_by, later, probe_at};
use crate::model::{MarkReading, Marks, Note, Reasons, RollbackSpec, ServiceSpec, WebhookSettings, Weight, WeightMark};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// The fleet of the next process, which was told by this one on the way that it goes.
fn next(fleet: &Fleet, services: &[ServiceSpec], now: Moment) -> Fleet {
    let kept = fleet.services.iter().map(|it| (it.spec.name.clone(), it.kept(KeptTurns::default(), now)));
    let text = serde_json::to_string(&Keepsake::new(kept, Vec::new())).unwrap();
    let mut next = Fleet::new(services, &Arc::default(), now);
    next.restore(&serde_json::from_str(&text).unwrap(), now);
    next
}

fn reasons(fleet: &Fleet) -> &Reasons {
    fleet.services[0].gate.as_ref().unwrap().reasons()
}

/// Five requests in a row fail on these backends of the canary; the rest passes.
fn fail(fleet: &mut Fleet, names: &[&str], now: Moment) {
    for member in &fleet.services[0].members {
        let fails = names.contains(&member.target.backend.as_str());
        for _ in 0..5 {
            if fails { member.outcomes.fail() } else { member.outcomes.pass() }
        }
        if fails && member.is(Track::Canary) {
            (0..5).for_each(|_| fleet.services[0].together.fail());
        }
    }
    fleet.look(now);
}

#[test]
fn a_canary_that_live_traffic_ejected_comes_back_by_the_same_way_in_the_next_process() {
    let (mut now, spec) = (moment(), service(STABLE, (1, &["c"])));
    let mut old = healthy_by(spec.clone(), now);
    fail(&mut old, &["c"], now);
    assert!(reasons(&old).contains(&Reason::Live));

    now = later(now, SECOND / 2);
    let mut fleet = next(&old, std::slice::from_ref(&spec), now);
    assert!(fleet.services[0].plan.ejected);
    alert_at(&mut fleet, false, now);
    for _ in 0..5 {
        probe_at(&mut fleet, Track::Canary, "c", true, now);
    }
    assert_eq!(*reasons(&fleet), Reasons::from([Reason::Live]), "its penalty goes on");
    now = later(now, SECOND * 6 / 10);
    fleet.look(now);
    assert_eq!(*reasons(&fleet), Reasons::from([Reason::Proving]));

    let mut fleet = next(&fleet, &[spec], now);
    alert_at(&mut fleet, false, now);
    for left in (0..RISE).rev() {
        let way_back = if left > 0 { Reason::Proving } else { Reason::Trial };
        probe_at(&mut fleet, Track::Canary, "c", true, now);
        assert_eq!(*reasons(&fleet), Reasons::from([way_back]));
    }
    end_trial(&mut fleet, true, now);
    assert_eq!(rotation(&fleet), ["a", "b", "c"]);
    fail(&mut fleet, &["c"], now);
    let penalty = fleet.services[0].gate.as_ref().unwrap().penalty().remaining(now.at).unwrap();
    assert!(penalty > SECOND * 3 / 2, "the second one is longer: {penalty:?}");
}

#[test]
fn backends_of_stable_that_were_out_stay_out() {
    let now = moment();
    let spec = service((1, &["a", "b", "x", "y"]), (0, &[]));
    let mut old = healthy_by(spec.clone(), now);
    fail(&mut old, &["a"], now);
    probe_at(&mut old, Track::Stable, "b", false, now);
    probe_at(&mut old, Track::Stable, "y", false, now);
    let mut moved = spec.clone();
    moved.stable.backends[3].address = endpoint("elsewhere").into();
    let mut fleet = next(&old, &[moved], now);
    assert_eq!(rotation(&fleet), ["x", "y"], "y is another server");
    probe_at(&mut fleet, Track::Stable, "b", true, now);
    probe_at(&mut fleet, Track::Stable, "a", true, now);
    assert_eq!(rotation(&fleet), ["b", "x", "y"], "the penalty of a is not over");
    let after = later(now, SECOND * 2);
    fleet.look(after);
    probe_at(&mut fleet, Track::Stable, "a", true, after);
    assert_eq!(rotation(&fleet), ["a", "b", "x", "y"]);
}

#[test]
fn an_admitted_canary_needs_one_pass_and_grows_on() {
    let (mut now, mut spec) = (moment(), service(STABLE, (1, &["c"])));
    spec.canary.as_mut().unwrap().slow_start = Some(SECOND * 20);
    let mut old = healthy_by(spec.clone(), now);
    assert_eq!(next(&old, std::slice::from_ref(&spec), now).services[0].tenths(now), None);
    alert_at(&mut old, true, now);
    alert_at(&mut old, false, now);
    for _ in 0..RISE {
        probe_at(&mut old, Track::Canary, "c", true, now);
    }
    end_trial(&mut old, true, now);
    now = later(now, SECOND * 9);
    let mut fleet = next(&old, &[spec], now);
    assert_eq!(rotation(&fleet), ["a", "b"]);
    alert_at(&mut fleet, false, now);
    probe_at(&mut fleet, Track::Canary, "c", true, now);
    assert_eq!((rotation(&fleet), fleet.services[0].tenths(now)), (vec!["a", "b", "c"], Some(5)));
}

#[test]
fn ejections_of_the_process_before_count_towards_a_rollback_though_its_weights_are_read_later() {
    let now = moment();
    let mut spec = service(STABLE, (1, &["c"]));
    let hook =
        WebhookSettings { url: "http://deploy.test/".to_owned(), secret: None, events: Vec::new(), timeout: SECOND };
    let ejections = NonZeroU32::new(2).unwrap();
    spec.rollback = Some(RollbackSpec { hook, ejections, within: 600 * SECOND });
    let weights = |fleet: &mut Fleet| {
        let [stable, canary] = [9, 1].map(|weight| Weight::new(weight).unwrap());
        let mark = WeightMark { stable, canary, note: Note::default() };
        let marks = Marks { weights: Some(mark), ..Marks::default() };
        fleet.marked(&MarkReading { service: spec.name.clone(), marks, seen: now.at }, now);
    };
    let mut old = healthy_by(spec.clone(), now);
    weights(&mut old);
    let given_up = |change: Option<Change>| {
        change.is_some_and(|change| change.news.iter().any(|news| matches!(news, News::Rollback { .. })))
    };
    assert!(!given_up(probe_at(&mut old, Track::Canary, "c", false, now)));
    let mut fleet = next(&old, std::slice::from_ref(&spec), now);
    weights(&mut fleet);
    alert_at(&mut fleet, false, now);
    (0..RISE).for_each(|_| drop(probe_at(&mut fleet, Track::Canary, "c", true, now)));
    end_trial(&mut fleet, true, now);
    assert!(given_up(probe_at(&mut fleet, Track::Canary, "c", false, now)));
}
