use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::*;
use crate::control::specimen::{healthy_by, later, moment};
use crate::model::{
    BackendId, DrainMark, EjectMark, LeaseMark, MarkReading, Marks, Note, PeerMark, ServiceName, Weight, WeightMark,
};

pub(super) fn mark(fleet: &mut Fleet, marks: &Marks, now: Moment) -> Change {
    let reading = MarkReading { service: ServiceName::new("web").unwrap(), marks: marks.clone(), seen: Instant::now() };
    fleet.marked(&reading, now).unwrap()
}

fn drains(ids: &[&str], keep_sessions: bool) -> Marks {
    let drain = |id: &&str| (BackendId::new(*id), DrainMark { keep_sessions, note: Note::default() });
    Marks { drains: ids.iter().map(drain).collect(), ..Marks::default() }
}

fn lease(backend: &str, now: Moment, seconds: u64) -> Marks {
    let until = now.wall + Duration::from_secs(seconds);
    let lease = LeaseMark { id: "one".into(), backend: BackendId::new(backend), until, note: Note::default() };
    Marks { lease: Some(lease), ..Marks::default() }
}

fn peers(names: &[&str]) -> Marks {
    let peers = names.iter().map(|name| (Arc::from(*name), PeerMark { reason: Reason::Live }));
    Marks { peers: peers.collect(), ..Marks::default() }
}

fn kept(fleet: &Fleet) -> Vec<&str> {
    fleet.services[0].plan.kept.iter().map(|target| target.backend.as_str()).collect()
}

#[test]
fn a_drained_backend_gets_nothing_new_and_comes_back_at_once() {
    let mut fleet = healthy(STABLE, CANARY);
    let change = mark(&mut fleet, &drains(&["a", "c"], false), moment());
    assert_eq!((rotation(&fleet), kept(&fleet)), (vec!["b", "d"], vec![]));
    assert_eq!(rotated(&change), ["-a 1/2 drain", "-c 1/2 drain"]);
    assert!(change.news.contains(&News::Drain { target: specimen::target(Track::Canary, "c"), drains: true }));
    mark(&mut fleet, &Marks::default(), moment());
    assert_eq!(rotation(&fleet), ["a", "b", "c", "d"]);
}

#[test]
fn one_that_keeps_its_sessions_is_kept_while_it_is_up() {
    let mut fleet = healthy(STABLE, CANARY);
    mark(&mut fleet, &drains(&["a", "c"], true), moment());
    assert_eq!((rotation(&fleet), kept(&fleet)), (vec!["b", "d"], vec!["a", "c"]));
    probe(&mut fleet, Track::Stable, "a", false);
    assert_eq!(kept(&fleet), ["c"]);
    alert(&mut fleet, true);
    assert_eq!(kept(&fleet), Vec::<&str>::new(), "an ejected canary keeps nobody");
}

#[test]
fn a_canary_that_drains_as_a_whole_leaves_the_split_and_is_not_ejected() {
    let mut fleet = healthy(STABLE, CANARY);
    mark(&mut fleet, &drains(&["c", "d"], false), moment());
    let service = &fleet.services[0];
    assert_eq!(rotation(&fleet), ["a", "b"]);
    assert!(service.admitted() && !service.plan.ejected && service.plan.share() == 0.0);
}

#[test]
fn all_of_stable_drain_only_while_the_canary_takes_over() {
    let mut fleet = healthy(STABLE, CANARY);
    mark(&mut fleet, &drains(&["a", "b"], false), moment());
    assert_eq!(rotation(&fleet), ["c", "d"]);
    assert_eq!(fleet.services[0].plan.footing, plan::Footing::Nobody);
    alert(&mut fleet, true);
    assert_eq!(rotation(&fleet), ["a", "b"], "nothing else is up");
    assert_eq!(fleet.services[0].plan.footing, plan::Footing::Held);
    probe(&mut fleet, Track::Stable, "a", false);
    assert_eq!(rotation(&fleet), ["b"]);
    probe(&mut fleet, Track::Stable, "b", false);
    assert_eq!(rotation(&fleet), ["a", "b"], "none is up: all of them");
    assert_eq!(fleet.services[0].plan.up(), 0);
}

#[test]
fn an_override_of_the_weights_is_in_force_until_it_goes() {
    let mut fleet = healthy(STABLE, CANARY);
    let [stable, canary] = [9, 1].map(|weight| Weight::new(weight).unwrap());
    let marks = Marks { weights: Some(WeightMark { stable, canary, note: Note::default() }), ..Marks::default() };
    let change = mark(&mut fleet, &marks, moment());
    assert!(change.routing && change.news == [News::Weights([9, 1])], "{change:?}");
    assert_eq!(fleet.services[0].plan.weights, [9, 1]);
    assert!(mark(&mut fleet, &Marks::default(), moment()).routing);
    assert_eq!(fleet.services[0].plan.weights, [2, 1]);
}

#[test]
fn an_operator_ejects_and_the_way_back_is_the_ordinary_one() {
    let mut fleet = healthy(STABLE, CANARY);
    let marks = Marks { ejection: Some(EjectMark::default()), ..Marks::default() };
    assert_eq!(mark(&mut fleet, &marks, moment()).turn, Some(Turn::Ejected(Reason::Operator)));
    mark(&mut fleet, &Marks::default(), moment());
    for _ in 0..RISE {
        probe(&mut fleet, Track::Canary, "c", true);
    }
    pass_trial(&mut fleet);
    assert!(fleet.services[0].admitted());
}

#[test]
fn peers_are_followed_until_the_last_one_is_content_and_only_where_asked_for() {
    let mut fleet = healthy(STABLE, CANARY);
    assert_eq!(mark(&mut fleet, &peers(&["x", "y"]), moment()).turn, Some(Turn::Ejected(Reason::Peer)));
    assert_eq!(mark(&mut fleet, &peers(&["y"]), moment()).turn, None);
    mark(&mut fleet, &peers(&[]), moment());
    assert_eq!(*fleet.services[0].gate.as_ref().unwrap().reasons(), Reasons::from([Reason::Proving]));

    let mut fleet = healthy(STABLE, CANARY);
    fleet.services[0].spec.gate.follow_peers = false;
    assert_eq!(mark(&mut fleet, &peers(&["x"]), moment()).turn, None);
}

#[test]
fn a_lease_takes_one_down_until_it_ends_and_one_probe_has_passed() {
    let mut fleet = healthy(STABLE, CANARY);
    let now = moment();
    let change = mark(&mut fleet, &lease("a", now, 30), now);
    assert_eq!(rotated(&change), ["-a 1/2 lease"]);
    assert_eq!(rotation(&fleet), ["b", "c", "d"]);
    probe(&mut fleet, Track::Stable, "a", true);
    assert_eq!(rotation(&fleet), ["b", "c", "d"], "a probe within the lease says nothing");
    assert!(fleet.look(later(now, Duration::from_secs(29))).is_empty());
    fleet.look(later(now, Duration::from_secs(30)));
    assert_eq!(rotation(&fleet), ["b", "c", "d"]);
    let change = probe(&mut fleet, Track::Stable, "a", true).unwrap();
    assert_eq!(rotated(&change), ["+a 2/2 probe"]);
    assert_eq!(rotation(&fleet), ["a", "b", "c", "d"]);
}

#[test]
fn one_that_comes_from_a_lease_keeps_nobody_before_it_has_passed_a_probe() {
    let mut fleet = healthy(STABLE, CANARY);
    let now = moment();
    let drained = drains(&["a"], true);
    mark(&mut fleet, &Marks { drains: drained.drains.clone(), ..lease("a", now, 30) }, now);
    mark(&mut fleet, &drained, now);
    assert_eq!(kept(&fleet), Vec::<&str>::new());
    probe(&mut fleet, Track::Stable, "a", true);
    assert_eq!(kept(&fleet), ["a"]);
}

#[test]
fn a_canary_that_drains_as_a_whole_is_not_tried() {
    let now = moment();
    let (mut fleet, now) = live::in_trial(healthy_by(live::one_canary(), now), now);
    mark(&mut fleet, &drains(&["c"], false), now);
    assert!(fleet.services[0].plan.trying.is_none());
    mark(&mut fleet, &Marks::default(), now);
    assert!(fleet.services[0].plan.trying.is_some());
}

#[test]
fn a_lease_that_is_released_ends_at_once() {
    let mut fleet = healthy(STABLE, CANARY);
    let now = moment();
    mark(&mut fleet, &lease("a", now, 30), now);
    mark(&mut fleet, &Marks { drains: BTreeMap::new(), ..Marks::default() }, now);
    probe(&mut fleet, Track::Stable, "a", true);
    assert_eq!(rotation(&fleet), ["a", "b", "c", "d"]);
}
