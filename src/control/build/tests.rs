use super::*;
use crate::control::specimen::{RISE, alert, endpoint, fleet, healthy, healthy_by, moment, pass_trial, probe, service};
use crate::metrics::Metrics;
use crate::model::{Affinity, BackendId, RateSpec, ServiceSpec};
use crate::proxy::split;
use crate::table::{Pins, TrialState};

impl Builder {
    /// Whatever is routed anew next panics.
    pub(in crate::control) fn break_places(&mut self) {
        self.places.values_mut().for_each(|place| *place += 1000);
    }
}

const BOTH: [(u16, &[&str]); 2] = [(2, &["a", "b"]), (1, &["c"])];

fn builder(fleet: &Fleet) -> Builder {
    Builder::new(fleet, Metrics::new().data, &Arc::default(), None, |_| {
        Arc::from([SocketAddr::from(([10, 0, 0, 1], 80))])
    })
}

fn only(fleet: &Fleet) -> Routed {
    builder(fleet).table().services[0].as_ref().clone()
}

/// The backends that the next `count` requests go to.
fn served(routed: &Routed, count: usize) -> Vec<String> {
    (0..count).map(|_| split::choose(routed).unwrap().id.to_string()).collect()
}

/// Who serves nine requests in a row, in order, each named once.
fn servers(routed: &Routed) -> String {
    let mut names = served(routed, 9);
    names.sort();
    names.dedup();
    names.concat()
}

#[test]
fn the_split_is_over_members_that_are_up() {
    let [stable, canary] = BOTH;
    let mut fleet = healthy(stable, canary);
    assert_eq!(servers(&only(&fleet)), "abc");
    probe(&mut fleet, Track::Stable, "a", false);
    let routed = only(&fleet);
    assert_eq!(routed.split, Split::Both(Schedule::new(&[2, 1]).unwrap()));
    assert_eq!(served(&routed, 6), ["b", "c", "b", "b", "c", "b"]);
}

#[test]
fn a_canary_that_is_not_admitted_gets_nothing() {
    let [stable, canary] = BOTH;
    let mut fleet = fleet(service(stable, canary), moment());
    assert_eq!(servers(&only(&fleet)), "ab");
    probe(&mut fleet, Track::Canary, "c", true);
    assert_eq!(servers(&only(&fleet)), "ab", "it is up, but its alert is unread");
}

#[test]
fn an_admitted_canary_takes_all_when_nothing_is_up_in_stable() {
    let [stable, canary] = BOTH;
    let mut fleet = healthy(stable, canary);
    probe(&mut fleet, Track::Stable, "a", false);
    probe(&mut fleet, Track::Stable, "b", false);
    let routed = only(&fleet);
    assert_eq!((&routed.split, servers(&routed).as_str()), (&Split::Only(Track::Canary), "c"));
}

#[test]
fn stable_fails_open_and_the_canary_never_does_when_nothing_is_up() {
    let [stable, canary] = BOTH;
    let mut fleet = healthy(stable, canary);
    for (track, name) in [(Track::Stable, "a"), (Track::Stable, "b"), (Track::Canary, "c")] {
        probe(&mut fleet, track, name, false);
    }
    let routed = only(&fleet);
    assert_eq!((&routed.split, servers(&routed).as_str()), (&Split::Only(Track::Stable), "ab"));
    assert!(routed.canary.is_empty());

    let mut alerted = healthy(stable, canary);
    probe(&mut alerted, Track::Stable, "a", false);
    probe(&mut alerted, Track::Stable, "b", false);
    alert(&mut alerted, true);
    assert_eq!(servers(&only(&alerted)), "ab", "a canary that is up but ejected does not take over");
}

#[test]
fn a_weight_of_zero_is_no_traffic() {
    let (_, backends) = BOTH[0];
    assert_eq!(servers(&only(&healthy((2, backends), (0, &["c"])))), "ab");
    assert_eq!(servers(&only(&healthy((0, backends), (1, &["c"])))), "c");
    let mut fleet = healthy((2, backends), (0, &["c"]));
    probe(&mut fleet, Track::Stable, "a", false);
    probe(&mut fleet, Track::Stable, "b", false);
    assert_eq!(servers(&only(&fleet)), "ab", "stable fails open rather than going to a canary without weight");
    let mut fleet = healthy((0, backends), (1, &["c"]));
    alert(&mut fleet, true);
    assert_eq!(servers(&only(&fleet)), "ab", "stable without weight still serves for an ejected canary");
}

#[test]
fn every_window_is_two_to_one_across_swaps_an_ejection_and_a_re_admission() {
    let [stable, canary] = BOTH;
    let mut fleet = healthy(stable, canary);
    let mut builder = builder(&fleet);
    let mut tickets = served(&builder.table().services[0], 4);
    for swap in 0..5 {
        probe(&mut fleet, Track::Stable, "a", swap % 2 == 1);
        builder.reroute(&fleet.services[0]);
        tickets.extend(served(&builder.table().services[0], 4));
    }

    alert(&mut fleet, true);
    builder.reroute(&fleet.services[0]);
    assert!(!servers(&builder.table().services[0]).contains('c'));
    alert(&mut fleet, false);
    for _ in 0..RISE {
        probe(&mut fleet, Track::Canary, "c", true);
    }
    pass_trial(&mut fleet);
    builder.reroute(&fleet.services[0]);
    tickets.extend(served(&builder.table().services[0], 7));

    for window in tickets.windows(3) {
        assert_eq!(window.iter().filter(|id| *id == "c").count(), 1, "{tickets:?}");
    }
}

#[test]
fn the_turns_within_a_track_go_on_after_a_swap() {
    let fleet = healthy((1, &["a", "b", "c"]), (0, &[]));
    let mut builder = builder(&fleet);
    let mut turns = served(&builder.table().services[0], 2);
    builder.reroute(&fleet.services[0]);
    turns.extend(served(&builder.table().services[0], 2));
    assert_eq!(turns.concat(), "abca");
}

#[test]
fn a_table_that_was_handed_out_does_not_change() {
    let [stable, canary] = BOTH;
    let mut fleet = healthy(stable, canary);
    let mut builder = builder(&fleet);
    let before = builder.table();
    alert(&mut fleet, true);
    builder.reroute(&fleet.services[0]);
    assert!(matches!(before.services[0].split, Split::Both(_)));
    assert_eq!(builder.table().services[0].split, Split::Only(Track::Stable));
}

#[test]
fn new_addresses_come_with_a_new_key_and_leave_the_others_alone() {
    let [stable, canary] = BOTH;
    let fleet = healthy(stable, canary);
    let mut builder = builder(&fleet);
    let before = builder.table().services[0].clone();
    let moved: Arc<[SocketAddr]> = Arc::from([SocketAddr::from(([10, 0, 0, 2], 80))]);

    assert!(!builder.readdress(&fleet, &endpoint("nobody"), &moved));
    assert!(builder.readdress(&fleet, &endpoint("a"), &moved));
    let after = builder.table().services[0].clone();
    let [old, new] = [&before, &after].map(|routed| routed.stable.members().to_vec());
    assert!(new[0].key != old[0].key && new[0].addresses == moved, "{new:?}");
    assert!(new.iter().chain(after.canary.members()).all(|member| member.key != old[0].key));
    assert!(Arc::ptr_eq(&new[1], &old[1]));
    let routed = |backend: &Backend| after.stable.members().iter().any(|member| member.key == backend.key);
    assert!(!routed(&old[0]) && routed(&new[0]) && routed(&old[1]));
    assert!(Arc::ptr_eq(&after.positions, &before.positions));
}

#[test]
fn a_canary_on_its_way_back_is_routed_to_by_its_trial_alone() {
    let [stable, canary] = BOTH;
    let mut fleet = healthy(stable, canary);
    let mut builder = builder(&fleet);
    assert!(!builder.table().services[0].ejected && builder.table().services[0].trying.is_none());
    alert(&mut fleet, true);
    alert(&mut fleet, false);
    for _ in 0..RISE {
        probe(&mut fleet, Track::Canary, "c", true);
    }
    builder.reroute(&fleet.services[0]);
    let routed = builder.table().services[0].clone();
    assert_eq!(servers(&routed), "ab");
    let trying = routed.trying.as_ref().unwrap();
    assert!(routed.ejected && routed.canary.is_empty() && trying.lane.members().len() == 1);
    assert_eq!(trying.trial.state(), TrialState::Waiting);
    pass_trial(&mut fleet);
    builder.reroute(&fleet.services[0]);
    let routed = builder.table().services[0].clone();
    assert!(!routed.ejected && routed.trying.is_none());
    assert_eq!(servers(&routed), "abc");
}

#[test]
fn what_is_counted_and_limited_survives_a_swap_and_a_new_address() {
    let [stable, canary] = BOTH;
    let mut spec = service(stable, canary);
    spec.limits.circuit.requests = 7;
    let fleet = healthy_by(spec, moment());
    let mut builder = builder(&fleet);
    let before = builder.table().services[0].clone();
    let moved: Arc<[SocketAddr]> = Arc::from([SocketAddr::from(([10, 0, 0, 2], 80))]);
    for name in ["a", "c"] {
        builder.readdress(&fleet, &endpoint(name), &moved);
    }
    let after = builder.table().services[0].clone();
    for (old, new) in [(&before.stable, &after.stable), (&before.canary, &after.canary)] {
        let (old, new) = (&old.members()[0], &new.members()[0]);
        assert!(old.key != new.key && Arc::ptr_eq(&old.outcomes, &new.outcomes) && Arc::ptr_eq(&old.terms, &new.terms));
        let [old_limit, new_limit] = [old, new].map(|backend| backend.circuit.clone().unwrap());
        assert!(Arc::ptr_eq(&old_limit, &new_limit) && new_limit.limits.requests == 7);
    }
    let canary = &after.canary.members()[0];
    assert!(after.stable.members()[0].together.is_none());
    canary.fail();
    assert_eq!(fleet.services[0].together.sample().failed, 1);
    assert_eq!(fleet.services[0].members[2].outcomes.sample().failed, 1);
}

#[test]
fn a_key_that_comes_later_signs_from_then_on_and_what_was_signed_before_stays_good() {
    let [stable, canary] = BOTH;
    let spec = ServiceSpec { affinity: Affinity::Track, ..service(stable, canary) };
    let fleet = healthy_by(spec.clone(), moment());
    let mut builder = builder(&fleet);
    let before = builder.table().services[0].clone();
    let ours = cookie(before.choice.as_ref().unwrap().pins.as_ref().unwrap());

    let shared = Secret::new("shared by all balancers".to_owned());
    builder.sign_with(&fleet, &shared);
    let after = builder.table().services[0].clone();
    assert!(Arc::ptr_eq(&after.positions, &before.positions), "the split goes on");
    let elsewhere = Keys::new(vec![shared]);
    let elsewhere = Pins::new(spec.affinity, spec.cookie.clone(), &spec.name, Arc::new(elsewhere));
    let pins = after.choice.as_ref().unwrap().pins.as_ref().unwrap();
    assert_eq!(cookie(pins), cookie(&elsewhere));
    for value in [ours, cookie(&elsewhere)] {
        assert_eq!(pins.read([value.as_slice()].into_iter()).unwrap().track, Track::Canary);
    }

    builder.reroute(&fleet.services[0]);
    let routed = builder.table().services[0].clone();
    assert!(Arc::ptr_eq(routed.choice.as_ref().unwrap(), after.choice.as_ref().unwrap()), "a swap keeps it");
}

/// The value of the cookie that keeps a visitor on the canary.
fn cookie(pins: &Pins) -> Vec<u8> {
    let set = pins.set_cookie(Track::Canary, &BackendId::new("c")).unwrap();
    let value = set.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap().1;
    value.as_bytes().to_vec()
}

#[test]
fn a_reload_keeps_turns_backends_and_keys_of_what_is_unchanged() {
    let [stable, canary] = BOTH;
    let spec = service(stable, canary);
    let mut fleet = healthy_by(spec.clone(), moment());
    let mut builder = builder(&fleet);
    let before = builder.table();
    let mut turns = served(&before.services[0], 4);

    let other = ServiceSpec { name: ServiceName::new("other").unwrap(), ..spec.clone() };
    let mut changed = spec.clone();
    changed.stable.backends.push(service((1, &["new"]), (0, &[])).stable.backends[0].clone());
    changed.stable.backends.remove(0);
    reload(&mut fleet, &mut builder, &[other, changed.clone()]);
    let after = builder.table().services[1].clone();
    assert!(Arc::ptr_eq(&after.positions, &before.services[0].positions));
    let ids: Vec<_> = after.stable.members().iter().map(|member| member.id.as_str()).collect();
    assert_eq!(ids, ["b", "new"]);
    assert!(Arc::ptr_eq(&after.stable.members()[0], &before.services[0].stable.members()[1]));
    assert!(Arc::ptr_eq(&after.canary.members()[0], &before.services[0].canary.members()[0]));
    let keys: std::collections::BTreeSet<_> = builder.backends.values().map(|backend| backend.key).collect();
    assert_eq!(keys.len(), builder.backends.len(), "each has a key of its own");
    turns.extend(served(&after, 5));
    for window in turns.windows(3) {
        assert_eq!(window.iter().filter(|id| *id == "c").count(), 1, "{turns:?}");
    }

    reload(&mut fleet, &mut builder, &[]);
    assert!(builder.table().services.is_empty() && builder.backends.is_empty() && builder.terms.is_empty());
}

#[test]
fn a_backend_that_is_treated_otherwise_keeps_its_key_and_one_with_other_limits_does_not() {
    let [stable, canary] = BOTH;
    let mut spec = service(stable, canary);
    spec.limits.circuit.requests = 7;
    let mut fleet = healthy_by(spec.clone(), moment());
    let mut builder = builder(&fleet);
    let first = builder.table().services[0].stable.members()[0].clone();

    spec.timeout.response *= 2;
    spec.pool.max_idle += 1;
    spec.retry.budget_min += 1;
    reload(&mut fleet, &mut builder, std::slice::from_ref(&spec));
    let second = builder.table().services[0].stable.members()[0].clone();
    assert_eq!((second.key, second.timeout), (first.key, spec.timeout));
    assert!(Arc::ptr_eq(&second.outcomes, &first.outcomes));
    assert!(Arc::ptr_eq(&second.terms.budget, &first.terms.budget) && second.terms.retry == spec.retry);
    assert!(Arc::ptr_eq(second.circuit.as_ref().unwrap(), first.circuit.as_ref().unwrap()));

    spec.limits.circuit.requests = 8;
    reload(&mut fleet, &mut builder, std::slice::from_ref(&spec));
    let third = builder.table().services[0].stable.members()[0].clone();
    assert!(third.key != second.key && third.circuit.as_ref().unwrap().limits.requests == 8);
    spec.limits.circuit.requests = 0;
    reload(&mut fleet, &mut builder, &[spec]);
    assert!(builder.table().services[0].stable.members()[0].circuit.is_none());
}

#[test]
fn a_rate_goes_on_counting_over_every_swap_in_which_it_is_the_same() {
    let [stable, canary] = BOTH;
    let mut spec = service(stable, canary);
    spec.limits.rate = RateSpec { requests: 1, burst: 1 };
    let mut fleet = healthy_by(spec.clone(), moment());
    let mut builder = builder(&fleet);
    let rate = |builder: &Builder| builder.table().services[0].intake.as_ref().unwrap().rate.clone().unwrap();
    let first = rate(&builder);
    builder.reroute(&fleet.services[0]);
    spec.limits.body = 5;
    reload(&mut fleet, &mut builder, std::slice::from_ref(&spec));
    assert!(Arc::ptr_eq(&first, &rate(&builder)));
    assert_eq!(builder.table().services[0].intake.as_ref().unwrap().body, Some(5));

    spec.limits.rate.burst = 2;
    reload(&mut fleet, &mut builder, std::slice::from_ref(&spec));
    assert!(!Arc::ptr_eq(&first, &rate(&builder)));
    (spec.limits.rate, spec.limits.body) = (RateSpec { requests: 0, burst: 0 }, 0);
    reload(&mut fleet, &mut builder, &[spec]);
    assert!(builder.table().services[0].intake.is_none());
}

fn reload(fleet: &mut Fleet, builder: &mut Builder, services: &[ServiceSpec]) {
    fleet.reload(services, &Arc::default(), moment());
    builder.reload(fleet, |_| Arc::from([SocketAddr::from(([10, 0, 0, 1], 80))]));
}
