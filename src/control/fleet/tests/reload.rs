use super::*;
use crate::control::specimen::{endpoint, healthy_by, later, probe_at, target};
use crate::model::{
    Health, MarkReading, Marks, OutlierSpec, ProbeReport, ServiceName, ServiceSpec, Weight, WeightMark,
};
use std::sync::Arc;
use std::time::Duration;

fn reload(fleet: &mut Fleet, services: &[ServiceSpec]) -> Vec<Change> {
    fleet.reload(services, &Arc::default(), moment())
}

fn renamed(spec: ServiceSpec, name: &str) -> ServiceSpec {
    ServiceSpec { name: ServiceName::new(name).unwrap(), ..spec }
}

#[test]
fn what_is_unchanged_is_the_same_and_the_order_is_the_files() {
    let mut fleet = healthy(STABLE, CANARY);
    probe(&mut fleet, Track::Stable, "b", false);
    let outcomes = fleet.services[0].members[0].outcomes.clone();
    let spec = service(STABLE, CANARY);
    let changes = reload(&mut fleet, &[renamed(spec.clone(), "first"), spec]);
    assert_eq!(changes, []);
    assert_eq!(fleet.services[1].spec.name.as_str(), "web");
    assert!(fleet.services[1].admitted() && !fleet.services[0].admitted());
    assert!(Arc::ptr_eq(&outcomes, &fleet.services[1].members[0].outcomes));
    assert_eq!(fleet.services[1].members[1].health, Health::Down);
    assert!(!fleet.all_alerts_read(), "those of the new one are unread");
    reload(&mut fleet, &[]);
    assert!(fleet.services.is_empty());
}

#[test]
fn an_ejected_canary_stays_out_and_follows_the_new_rules() {
    let mut fleet = healthy(STABLE, CANARY);
    alert(&mut fleet, true);
    let mut spec = service((3, STABLE.1), (2, CANARY.1));
    spec.canary.as_mut().unwrap().probe.rise = std::num::NonZeroU32::MIN;
    let changes = reload(&mut fleet, &[spec]);
    assert_eq!((changes[0].turn, &changes[0].news[..]), (None, &[News::Weights([3, 2])][..]));
    assert_eq!(rotation(&fleet), ["a", "b"]);
    assert_eq!(fleet.services[0].owners.len(), 1);
    alert(&mut fleet, false);
    probe(&mut fleet, Track::Canary, "c", true);
    assert!(fleet.services[0].trial.is_some(), "one pass is enough now");
}

#[test]
fn a_backend_that_moved_or_is_new_starts_anew() {
    let mut fleet = healthy(STABLE, CANARY);
    for name in ["a", "b"] {
        probe(&mut fleet, Track::Stable, name, false);
    }
    let mut spec = service((2, &["a", "b", "new"]), (1, &["c", "d", "fresh"]));
    for (members, place) in [(&mut spec.stable.backends, 0), (&mut spec.canary.as_mut().unwrap().backends, 0)] {
        members[place].address = endpoint("elsewhere").into();
    }
    reload(&mut fleet, &[spec]);
    assert_eq!(rotation(&fleet), ["a", "new", "d"], "b is down as before, c and fresh have to pass first");

    let of_before = ProbeReport {
        target: target(Track::Canary, "c"),
        address: endpoint("c").into(),
        failure: None,
        health: Health::Up,
        seen: moment().at,
    };
    assert_eq!(fleet.probed(&of_before, moment()), None, "that was another server");
    probe(&mut fleet, Track::Canary, "fresh", true);
    assert_eq!(rotation(&fleet), ["a", "new", "d", "fresh"]);
}

#[test]
fn a_backend_that_live_traffic_keeps_out_stays_out() {
    let now = moment();
    let spec = service((1, &["a", "b", "x"]), (0, &[]));
    let mut fleet = healthy_by(spec.clone(), now);
    (0..5).for_each(|_| fleet.services[0].members[0].outcomes.fail());
    fleet.services[0].members[1].outcomes.pass();
    assert!(!fleet.look(now).is_empty());
    assert_eq!(rotation(&fleet), ["b", "x"]);
    let outlier = OutlierSpec { window: Duration::from_secs(3), ..spec.outlier.clone() };
    fleet.reload(&[ServiceSpec { outlier, ..spec }], &Arc::default(), now);
    assert_eq!(rotation(&fleet), ["b", "x"]);
    let after = later(now, Duration::from_secs(2));
    fleet.look(after);
    probe_at(&mut fleet, Track::Stable, "a", true, after);
    assert_eq!(rotation(&fleet), ["a", "b", "x"]);
}

#[test]
fn a_canary_that_is_added_to_a_service_has_to_pass_first_and_knows_the_alert() {
    for alerted in [false, true] {
        let mut fleet = healthy(STABLE, (0, &[]));
        alert(&mut fleet, alerted);
        reload(&mut fleet, &[service(STABLE, CANARY)]);
        assert_eq!(rotation(&fleet), ["a", "b"]);
        probe(&mut fleet, Track::Canary, "c", true);
        assert_eq!(fleet.services[0].admitted(), !alerted);
    }
}

#[test]
fn a_canary_that_is_taken_out_of_the_file_is_gone() {
    let mut fleet = healthy(STABLE, CANARY);
    let changes = reload(&mut fleet, &[service(STABLE, (0, &[]))]);
    assert!(changes[0].routing && fleet.services[0].gate.is_none());
    assert_eq!((rotation(&fleet), fleet.services[0].weights()), (vec!["a", "b"], [2, 0]));
}

#[test]
fn other_weights_are_in_force_unless_an_operator_has_set_some() {
    let mut fleet = healthy(STABLE, CANARY);
    let mark =
        WeightMark { stable: Weight::new(1).unwrap(), canary: Weight::new(4).unwrap(), note: Default::default() };
    let marks = Marks { weights: Some(mark), ..Default::default() };
    let name = ServiceName::new("web").unwrap();
    fleet.marked(&MarkReading { service: name, marks, seen: moment().at }, moment());
    reload(&mut fleet, &[service((7, STABLE.1), CANARY)]);
    assert_eq!(fleet.services[0].weights(), [1, 4]);
}

#[test]
fn a_prober_that_has_just_begun_changes_nothing_that_is_known() {
    let mut fleet = healthy(STABLE, CANARY);
    probe(&mut fleet, Track::Stable, "a", false);
    let unsure = ProbeReport {
        target: target(Track::Stable, "a"),
        address: endpoint("a").into(),
        failure: Some("refused".into()),
        health: Health::Unknown,
        seen: moment().at,
    };
    fleet.probed(&unsure, moment());
    assert_eq!(fleet.services[0].members[0].health, Health::Down);
}
