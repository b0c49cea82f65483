use std::net::SocketAddr;
use std::time::Duration;

use http::HeaderMap;
use http::header::{COOKIE, HeaderName};

use super::*;
use crate::metrics::Metrics;
use crate::model::{
    BackendId, Balance, Condition, CookieSpec, Endpoint, PoolLimits, ProbeTarget, RetrySpec, RuleSpec, Secret,
    ServiceName, TesterSpec, Timeouts, Upstream,
};
use crate::table::{Keys, Lane, Pins, Positions, Schedule, Split, Terms};

const TESTER: HeaderName = HeaderName::from_static("x-canary");
const USER: HeaderName = HeaderName::from_static("x-user");
const TEAM: HeaderName = HeaderName::from_static("x-team");

/// Two of stable, `a` and `b`, and two of the canary, `c` and `d`, at 2:1.
fn web(choice: Choice) -> Routed {
    let lane = |track, ids: [&str; 2]| Lane::new(ids.map(|id| backend(track, id)).to_vec());
    Routed {
        split: Split::Both(Schedule::new(&[2, 1]).unwrap()),
        balance: Balance::RoundRobin,
        stable: lane(Track::Stable, ["a", "b"]),
        canary: lane(Track::Canary, ["c", "d"]),
        trying: None,
        kept: Vec::new(),
        finishing: Vec::new(),
        ejected: false,
        choice: Some(Arc::new(choice)),
        intake: None,
        positions: Arc::new(Positions::default()),
    }
}

fn backend(track: Track, id: &str) -> Arc<Backend> {
    let second = Duration::from_secs(1);
    let (id, service) = (BackendId::new(id), name());
    let retry = RetrySpec::specimen();
    Arc::new(Backend {
        key: u64::from(id.as_str().as_bytes()[0]),
        id: id.clone(),
        track,
        addresses: Arc::from([SocketAddr::from(([127, 0, 0, 1], 1))]),
        authority: HeaderValue::from_static("127.0.0.1:1"),
        address: Endpoint { host: "127.0.0.1".into(), port: 1 }.into(),
        upstream: Upstream::default(),
        secure: None,
        served_by: None,
        weight: 1,
        timeout: Timeouts { connect: second, response: second, idle: second, tunnel: second },
        pool: PoolLimits { max_idle: 1, idle_timeout: second, max_age: second },
        metrics: Metrics::new().data.backend(&ProbeTarget { service: service.clone(), track, backend: id }),
        terms: Arc::new(Terms { service, retry, budget: Arc::default(), alarm: Arc::default() }),
        outcomes: Arc::default(),
        together: None,
        circuit: None,
    })
}

fn name() -> ServiceName {
    ServiceName::new("web").unwrap()
}

/// All that can be looked at: `X-Canary` and the cookie `tester`, a rule of each kind, and `X-User`.
fn choice(affinity: Affinity) -> Choice {
    let rule = |condition, track| RuleSpec { condition, track };
    let team = |team| Condition::Header { name: TEAM, value: HeaderValue::from_static(team) };
    Choice {
        tester: TesterSpec { header: Some(TESTER), cookie: Some("tester".to_owned()), secret: None },
        rules: vec![
            rule(team("blue"), Track::Canary),
            rule(Condition::Cookie { name: "beta".into(), value: "1".into() }, Track::Canary),
            rule(Condition::Network("192.0.2.0/24".parse().unwrap()), Track::Stable),
            rule(team("green"), Track::Canary),
        ],
        split_by: Some(USER),
        pins: pins(affinity),
        has_canary: true,
    }
}

fn pins(affinity: Affinity) -> Option<Arc<Pins>> {
    let cookie = CookieSpec { name: "pin".to_owned(), max_age: Duration::ZERO, secure: false };
    let keys = Arc::new(Keys::new(vec![Secret::new("k".to_owned())]));
    (affinity != Affinity::None).then(|| Arc::new(Pins::new(affinity, cookie, &name(), keys)))
}

/// The `pin` cookie of a visitor that was there.
fn pin(affinity: Affinity, track: Track, backend: &str) -> String {
    let cookie = pins(affinity).unwrap().set_cookie(track, &BackendId::new(backend)).unwrap();
    cookie.to_str().unwrap().split(';').next().unwrap().to_owned()
}

const FRIEND: [u8; 4] = [198, 51, 100, 1];

fn sent_from(service: &Routed, peer: [u8; 4], fields: &[(HeaderName, &str)]) -> Option<Chosen> {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(name, value.parse().unwrap());
    }
    choose(service, &Visitor { headers: &headers, peer: peer.into(), trusted: &[] })
}

fn sent(service: &Routed, fields: &[(HeaderName, &str)]) -> Chosen {
    sent_from(service, FRIEND, fields).unwrap()
}

fn with_cookie(service: &Routed, cookie: &str) -> Chosen {
    sent(service, &[(COOKIE, cookie)])
}

fn tickets(service: &Routed) -> u64 {
    service.positions.ticket.0.load(std::sync::atomic::Ordering::Relaxed)
}

/// The place that a `Set-Cookie` keeps a visitor at.
fn kept_at(chosen: &Chosen) -> Option<Pin> {
    let cookie = chosen.cookie.as_ref()?.to_str().unwrap();
    let value = cookie.strip_prefix("pin=").unwrap().split(';').next().unwrap();
    pins(Affinity::Backend).unwrap().read(std::iter::once(value.as_bytes()))
}

fn place(track: Track, backend: Option<&str>) -> Option<Pin> {
    Some(Pin { track, backend: backend.map(str::to_owned) })
}

fn emptied(service: Routed) -> Routed {
    Routed { canary: Lane::default(), split: Split::Only(Track::Stable), ..service }
}

fn ejected(service: Routed) -> Routed {
    Routed { ejected: true, ..emptied(service) }
}

/// A value of `X-User` whose turn is the canary's, or stable's.
fn user(track: Track) -> String {
    let schedule = Schedule::new(&[2, 1]).unwrap();
    let is = |user: &String| (schedule.pick(fixed_ticket(user.as_bytes())) == 1) == (track == Track::Canary);
    (0..).map(|n: u32| n.to_string()).find(is).unwrap()
}

#[test]
fn the_order_is_tester_rule_cookie_field_schedule() {
    let (stable, canary) = (Track::Stable, Track::Canary);
    let [in_stable, in_canary] = [stable, canary].map(|track| pin(Affinity::Track, track, "x"));
    let [user_stable, user_canary] = [user(stable), user(canary)];
    let always = (TESTER, "always");
    let never = (TESTER, "never");
    for (fields, peer, expected) in [
        (vec![always.clone(), (COOKIE, "tester=never")], FRIEND, canary),
        (vec![(TESTER, "perhaps"), (COOKIE, "tester=never"), (TEAM, "blue")], FRIEND, stable),
        (vec![always.clone(), (COOKIE, &in_stable), (USER, &user_stable)], [192, 0, 2, 1], canary),
        (vec![never.clone(), (TEAM, "blue"), (COOKIE, &in_canary), (USER, &user_canary)], FRIEND, stable),
        (vec![(TEAM, "blue"), (COOKIE, &in_stable), (USER, &user_stable)], [192, 0, 2, 1], canary),
        (vec![(COOKIE, "beta=1"), (COOKIE, &in_stable), (USER, &user_stable)], [192, 0, 2, 1], canary),
        (vec![(TEAM, "green"), (COOKIE, &in_canary), (USER, &user_canary)], [192, 0, 2, 1], stable),
        (vec![(TEAM, "green"), (COOKIE, &in_stable), (USER, &user_stable)], FRIEND, canary),
        (vec![(TEAM, "red"), (COOKIE, &in_canary), (USER, &user_stable)], FRIEND, canary),
        (vec![(COOKIE, &in_stable), (USER, &user_canary)], FRIEND, stable),
        (vec![(COOKIE, "pin=1.c.00"), (USER, &user_stable)], FRIEND, stable),
        (vec![(USER, &user_canary)], FRIEND, canary),
        (vec![(USER, &user_stable)], FRIEND, stable),
    ] {
        let service = web(choice(Affinity::Track));
        for _ in 0..4 {
            let chosen = sent_from(&service, peer, &fields).unwrap();
            assert_eq!(chosen.backend.track, expected, "{fields:?} from {peer:?}");
        }
        assert_eq!(tickets(&service), 0, "only the schedule draws tickets: {fields:?}");
    }
    let service = web(choice(Affinity::Track));
    let tracks = [(); 6].map(|()| sent(&service, &[(USER, "")]).backend.track);
    assert_eq!(tracks, [stable, canary, stable, stable, canary, stable]);
    assert_eq!(tickets(&service), 6);
}

#[test]
fn a_service_without_a_choice_goes_by_turns_and_looks_at_nothing() {
    let service = Routed { choice: None, ..web(choice(Affinity::None)) };
    let tracks = [(); 3].map(|()| sent(&service, &[(TESTER, "never")]).backend.track);
    assert_eq!(tracks, [Track::Stable, Track::Canary, Track::Stable]);
    let nothing = Routed { split: Split::Nothing, stable: Lane::default(), canary: Lane::default(), ..service };
    assert!(sent_from(&nothing, FRIEND, &[]).is_none());
}

#[test]
fn nothing_brings_a_request_to_a_canary_that_is_out() {
    let affinity = Affinity::Backend;
    let cookie = pin(affinity, Track::Canary, "c");
    for out in [ejected(web(choice(affinity))), emptied(web(choice(affinity)))] {
        let user = user(Track::Canary);
        let all = [(TESTER, "always"), (TEAM, "blue"), (COOKIE, &cookie), (USER, &user)];
        for fields in (0..all.len()).map(|at| &all[at..]).chain([&[][..]]) {
            assert_eq!(sent(&out, fields).backend.track, Track::Stable, "{fields:?}");
        }
        assert_eq!(tickets(&out), 0, "there is no choice of track");
    }
    let left = Routed { kept: vec![backend(Track::Canary, "c")], ..ejected(web(choice(affinity))) };
    assert_eq!(with_cookie(&left, &cookie).backend.track, Track::Stable);
}

#[test]
fn a_canary_without_weight_serves_testers_rules_and_visitors_that_were_there() {
    let service = Routed { split: Split::Only(Track::Stable), ..web(choice(Affinity::Track)) };
    let canary = pin(Affinity::Track, Track::Canary, "c");
    for field in [(TESTER, "always"), (TEAM, "blue"), (COOKIE, canary.as_str())] {
        let chosen = sent(&service, std::slice::from_ref(&field));
        assert_eq!((chosen.backend.track, chosen.cookie), (Track::Canary, None), "{field:?}");
    }
    assert_eq!(sent(&service, &[(USER, &user(Track::Canary))]).backend.track, Track::Stable);
    assert_eq!(sent(&service, &[]).backend.track, Track::Stable);
}

#[test]
fn a_secret_must_be_named_where_there_is_one() {
    let secret = TesterSpec { secret: Some(Secret::new("s:1".to_owned())), ..choice(Affinity::None).tester };
    let service = web(Choice { tester: secret, ..choice(Affinity::None) });
    let out = Routed { split: Split::Only(Track::Stable), ..service.clone() };
    for (value, expected) in [
        ("always:s:1", Track::Canary),
        ("always", Track::Stable),
        ("always:", Track::Stable),
        ("always:s:2", Track::Stable),
        ("always:s:1 ", Track::Stable),
        ("Always:s:1", Track::Stable),
    ] {
        assert_eq!(sent(&out, &[(TESTER, value)]).backend.track, expected, "`{value}`");
    }
    assert_eq!(sent(&out, &[(COOKIE, "tester=always:s:1")]).backend.track, Track::Canary);
    assert_eq!(sent(&service, &[(TESTER, "never:s:1"), (TEAM, "blue")]).backend.track, Track::Stable);
    assert_eq!(sent(&service, &[(TESTER, "never:s:2"), (TEAM, "blue")]).backend.track, Track::Canary);

    let open = web(choice(Affinity::None));
    assert_eq!(sent(&open, &[(TESTER, "never:x"), (TEAM, "blue")]).backend.track, Track::Canary);
}

#[test]
fn the_field_that_carries_a_secret_is_taken_off_and_any_other_stays() {
    let mut headers: HeaderMap =
        [(TESTER, "always".parse().unwrap()), (TEAM, "blue".parse().unwrap())].into_iter().collect();
    let mut choice = choice(Affinity::None);
    choice.hide_secret(&mut headers);
    assert_eq!(headers.len(), 2);
    choice.tester.secret = Some(Secret::new("s".to_owned()));
    choice.hide_secret(&mut headers);
    assert!(headers.len() == 1 && headers.contains_key(TEAM));
}

#[test]
fn the_field_splits_its_values_as_configured_and_each_goes_one_way() {
    for weights in [[2, 1], [1, 1], [9, 1], [99, 1], [3, 1]] {
        let schedule = Schedule::new(&weights).unwrap();
        let service = Routed { split: Split::Both(schedule), ..web(choice(Affinity::None)) };
        let canaries = (0..10_000).filter(|n| {
            let user = format!("user-{n}@example.org");
            let [first, again] = [(); 2].map(|()| sent(&service, &[(USER, &user)]).backend.track);
            assert_eq!(first, again);
            first == Track::Canary
        });
        let (share, due) =
            (canaries.count() as f64 / 10_000.0, f64::from(weights[1]) / f64::from(weights[0] + weights[1]));
        assert!((share - due).abs() < 0.02, "{share} instead of {due}");
        assert_eq!(tickets(&service), 0);
    }
    assert_eq!(fixed_ticket(b"abc"), 0xba78_16bf_8f01_cfea, "it is SHA-256, today and tomorrow");
}

#[test]
fn a_new_visitor_is_drawn_and_kept_and_the_split_over_new_visitors_is_exact() {
    let service = web(choice(Affinity::Track));
    let returning = pin(Affinity::Track, Track::Canary, "c");
    let mut canaries = 0;
    for _ in 0..30 {
        let chosen = sent(&service, &[]);
        assert_eq!((chosen.pinned, kept_at(&chosen)), (Pinned::No, place(chosen.backend.track, None)));
        canaries += u32::from(chosen.backend.track == Track::Canary);
        for _ in 0..5 {
            let again = with_cookie(&service, &returning);
            assert_eq!((again.backend.track, again.pinned), (Track::Canary, Pinned::Track));
            assert_eq!(again.cookie, None);
        }
    }
    assert_eq!((canaries, tickets(&service)), (10, 30));
}

#[test]
fn affinity_to_a_backend_names_it_and_comes_back_to_it() {
    let service = web(choice(Affinity::Backend));
    for _ in 0..6 {
        let first = sent(&service, &[]);
        let expected = place(first.backend.track, Some(first.backend.id.as_str()));
        assert_eq!((first.pinned, kept_at(&first)), (Pinned::No, expected));
        let cookie = first.cookie.unwrap().to_str().unwrap().split(';').next().unwrap().to_owned();
        for _ in 0..3 {
            let again = with_cookie(&service, &cookie);
            assert!(Arc::ptr_eq(&again.backend, &first.backend));
            assert_eq!((again.pinned, again.cookie), (Pinned::Backend, None));
        }
    }
    assert_eq!(tickets(&service), 6);
}

#[test]
fn a_backend_that_is_gone_is_chosen_anew_within_its_track() {
    let service = web(choice(Affinity::Backend));
    for (track, open) in [(Track::Stable, ["a", "b"]), (Track::Canary, ["c", "d"])] {
        let chosen = with_cookie(&service, &pin(Affinity::Backend, track, "gone"));
        assert!(open.contains(&chosen.backend.id.as_str()), "{chosen:?}");
        assert_eq!(chosen.pinned, Pinned::Track);
        assert_eq!(kept_at(&chosen), place(track, Some(chosen.backend.id.as_str())));
    }
    assert_eq!(tickets(&service), 0);
}

#[test]
fn an_id_of_the_other_track_is_another_backend() {
    let service = web(choice(Affinity::Backend));
    let chosen = with_cookie(&service, &pin(Affinity::Backend, Track::Stable, "c"));
    assert_eq!((chosen.backend.track, chosen.pinned), (Track::Stable, Pinned::Track));
}

#[test]
fn an_ejection_moves_the_canarys_visitors_to_stable_for_good() {
    for affinity in [Affinity::Track, Affinity::Backend] {
        let in_canary = pin(affinity, Track::Canary, "c");
        let chosen = with_cookie(&ejected(web(choice(affinity))), &in_canary);
        assert_eq!(chosen.backend.track, Track::Stable);
        let named = (affinity == Affinity::Backend).then(|| chosen.backend.id.as_str());
        assert_eq!(kept_at(&chosen), place(Track::Stable, named), "{affinity:?}");

        let told = [(TESTER, "always"), (COOKIE, in_canary.as_str())];
        let chosen = sent(&ejected(web(choice(affinity))), &told);
        assert_eq!(kept_at(&chosen).map(|pin| pin.track), Some(Track::Stable), "{affinity:?}, a tester");
        let in_stable = pin(affinity, Track::Stable, "a");
        assert_eq!(with_cookie(&ejected(web(choice(affinity))), &in_stable).cookie, None);
    }
}

#[test]
fn a_service_that_has_no_canary_any_more_takes_its_visitors_for_good() {
    for affinity in [Affinity::Track, Affinity::Backend] {
        let service = emptied(web(Choice { has_canary: false, ..choice(affinity) }));
        let chosen = with_cookie(&service, &pin(affinity, Track::Canary, "c"));
        assert_eq!(kept_at(&chosen).map(|pin| pin.track), Some(Track::Stable));
    }
}

#[test]
fn a_canary_that_is_not_admitted_yet_keeps_its_visitors_cookies() {
    for affinity in [Affinity::Track, Affinity::Backend] {
        let service = emptied(web(choice(affinity)));
        let in_canary = pin(affinity, Track::Canary, "c");
        let chosen = [(); 4].map(|()| with_cookie(&service, &in_canary));
        assert!(chosen.iter().all(|chosen| chosen.backend.track == Track::Stable && chosen.cookie.is_none()));
        let on_one = chosen.iter().all(|other| Arc::ptr_eq(&other.backend, &chosen[0].backend));
        assert_eq!(on_one, affinity == Affinity::Backend, "a session that begins meanwhile needs one server");
    }
}

#[test]
fn a_backend_that_is_being_left_keeps_its_own_visitors_and_takes_no_others() {
    let service = |affinity| Routed {
        stable: Lane::new(vec![backend(Track::Stable, "b")]),
        kept: vec![backend(Track::Stable, "a")],
        ..web(choice(affinity))
    };
    let by_backend = service(Affinity::Backend);
    let chosen = with_cookie(&by_backend, &pin(Affinity::Backend, Track::Stable, "a"));
    assert_eq!((chosen.backend.id.as_str(), chosen.pinned, chosen.cookie), ("a", Pinned::Backend, None));
    assert!(renewed(&by_backend, &chosen.backend, Pinned::Backend).is_some());
    assert!(renewed(&by_backend, &chosen.backend, Pinned::No).is_none());
    for _ in 0..10 {
        assert_ne!(sent(&by_backend, &[]).backend.id.as_str(), "a");
        assert_ne!(with_cookie(&by_backend, &pin(Affinity::Backend, Track::Stable, "x")).backend.id.as_str(), "a");
    }
    let chosen = with_cookie(&service(Affinity::Track), &pin(Affinity::Track, Track::Stable, "a"));
    assert_eq!(chosen.backend.id.as_str(), "b", "the version has another server");
}

#[test]
fn a_backend_whose_address_has_changed_is_still_the_one_of_its_visitors() {
    let (before, after) = (web(choice(Affinity::Backend)), web(choice(Affinity::Backend)));
    let chosen = with_cookie(&before, &pin(Affinity::Backend, Track::Stable, "b")).backend;
    let newer = renewed(&after, &chosen, Pinned::Backend).unwrap();
    assert!(Arc::ptr_eq(newer, &after.stable.members()[1]));
    assert!(renewed(&emptied(after), &backend(Track::Canary, "c"), Pinned::No).is_none());
}

#[test]
fn a_version_that_is_being_left_as_a_whole_keeps_its_visitors() {
    let service = Routed { kept: vec![backend(Track::Canary, "c")], ..emptied(web(choice(Affinity::Track))) };
    let chosen = with_cookie(&service, &pin(Affinity::Track, Track::Canary, "c"));
    assert_eq!((chosen.backend.id.as_str(), chosen.pinned, chosen.cookie), ("c", Pinned::Track, None));
    assert_eq!(sent(&service, &[(TESTER, "always")]).backend.track, Track::Stable);

    let service = Routed { kept: service.kept, ..emptied(web(choice(Affinity::Backend))) };
    let told = pin(Affinity::Backend, Track::Canary, "c");
    let chosen = sent(&service, &[(TESTER, "always"), (COOKIE, &told)]);
    assert_eq!((chosen.backend.id.as_str(), chosen.pinned), ("c", Pinned::Backend));
}

#[test]
fn a_wish_counts_for_one_request_but_its_session_keeps_its_server() {
    let by_track = web(choice(Affinity::Track));
    assert_eq!(sent(&by_track, &[(TESTER, "always")]).cookie, None);
    let in_stable = pin(Affinity::Track, Track::Stable, "a");
    assert_eq!(sent(&by_track, &[(TESTER, "always"), (COOKIE, &in_stable)]).cookie, None);

    let by_backend = web(choice(Affinity::Backend));
    let first = sent(&by_backend, &[(TESTER, "always")]);
    let cookie = first.cookie.unwrap().to_str().unwrap().split(';').next().unwrap().to_owned();
    for _ in 0..3 {
        let again = sent(&by_backend, &[(TESTER, "always"), (COOKIE, &cookie)]);
        assert!(Arc::ptr_eq(&again.backend, &first.backend));
        assert_eq!((again.pinned, again.cookie), (Pinned::Backend, None));
    }
}

#[test]
fn when_no_stable_is_up_its_visitors_go_to_the_canary_that_takes_all() {
    for affinity in [Affinity::Track, Affinity::Backend] {
        let service = Routed { split: Split::Only(Track::Canary), stable: Lane::default(), ..web(choice(affinity)) };
        let in_stable = pin(affinity, Track::Stable, "a");
        let chosen = with_cookie(&service, &in_stable);
        assert_eq!((chosen.backend.track, chosen.pinned), (Track::Canary, Pinned::No));
        let moved = kept_at(&chosen).is_some();
        assert_eq!(moved, affinity == Affinity::Backend, "a visitor of a version goes back when it is up");
        assert_eq!(sent(&service, &[(TESTER, "never")]).backend.track, Track::Canary);
    }
}
