use std::time::Duration;

use proptest::prelude::*;

use super::super::keys::SIGNATURE;
use super::*;
use crate::model::Secret;

fn pins(affinity: Affinity, service: &str, keys: &[&str]) -> Pins {
    let cookie = CookieSpec { name: "pin".to_owned(), max_age: Duration::ZERO, secure: false };
    let keys = Keys::new(keys.iter().map(|key| Secret::new((*key).to_owned())).collect());
    Pins::new(affinity, cookie, &ServiceName::new(service).unwrap(), Arc::new(keys))
}

fn by_backend(keys: &[&str]) -> Pins {
    pins(Affinity::Backend, "web", keys)
}

fn value(pins: &Pins, track: Track, backend: &str) -> String {
    let cookie = pins.set_cookie(track, &BackendId::new(backend)).unwrap();
    let (_, rest) = cookie.to_str().unwrap().split_once('=').unwrap();
    rest.split(';').next().unwrap().to_owned()
}

fn read(pins: &Pins, value: &str) -> Option<Pin> {
    pins.read(std::iter::once(value.as_bytes()))
}

fn pin(track: Track, backend: Option<&str>) -> Option<Pin> {
    Some(Pin { track, backend: backend.map(str::to_owned) })
}

#[test]
fn a_cookie_that_was_set_is_read() {
    let tracks = pins(Affinity::Track, "web", &["k"]);
    assert_eq!(read(&tracks, &value(&tracks, Track::Stable, "a")), pin(Track::Stable, None));
    assert_eq!(read(&tracks, &value(&tracks, Track::Canary, "a")), pin(Track::Canary, None));
    for id in ["a", "10.0.0.12:3002", "[::1]:80", "a b;c=\"d\",\u{e4}", ""] {
        let backends = by_backend(&["k"]);
        let value = value(&backends, Track::Canary, id);
        assert!(value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.'), "{value}");
        assert_eq!(read(&backends, &value), pin(Track::Canary, Some(id)));
    }
}

#[test]
fn the_attributes_are_as_configured() {
    let set = |max_age, secure| {
        let cookie = CookieSpec { name: "coalmine-web".to_owned(), max_age: Duration::from_secs(max_age), secure };
        let keys = Arc::new(Keys::new(vec![Secret::new("k".to_owned())]));
        let pins = Pins::new(Affinity::Track, cookie, &ServiceName::new("web").unwrap(), keys);
        pins.set_cookie(Track::Stable, &BackendId::new("a")).unwrap().to_str().unwrap().to_owned()
    };
    let plain = set(0, false);
    assert!(plain.starts_with("coalmine-web=1.s.") && plain.ends_with("; Path=/; HttpOnly; SameSite=Lax"), "{plain}");
    assert!(set(3600, true).ends_with("; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=3600"));
}

#[test]
fn the_same_keys_give_the_same_cookie_in_every_balancer_and_version() {
    let value = value(&pins(Affinity::Track, "web", &["k"]), Track::Canary, "a");
    assert_eq!(value, "1.c.0ceec05869ddaf4b57c896d1d6b93bff");
}

#[test]
fn a_cookie_of_a_key_that_was_retired_is_worth_nothing_and_one_of_an_old_key_still_counts() {
    let old = value(&by_backend(&["old"]), Track::Canary, "a");
    assert_eq!(read(&by_backend(&["new", "old"]), &old), pin(Track::Canary, Some("a")));
    assert_eq!(read(&by_backend(&["new"]), &old), None);
}

#[test]
fn a_cookie_of_another_service_is_worth_nothing() {
    let other = value(&pins(Affinity::Backend, "webs", &["k"]), Track::Canary, "a");
    assert_eq!(read(&by_backend(&["k"]), &other), None);
}

#[test]
fn a_cookie_of_the_other_affinity_still_names_its_track() {
    let (tracks, backends) = (pins(Affinity::Track, "web", &["k"]), by_backend(&["k"]));
    assert_eq!(read(&backends, &value(&tracks, Track::Canary, "a")), pin(Track::Canary, None));
    assert_eq!(read(&tracks, &value(&backends, Track::Canary, "a")), pin(Track::Canary, Some("a")));
}

#[test]
fn a_changed_character_anywhere_makes_a_cookie_worthless() {
    let pins = by_backend(&["k"]);
    let value = value(&pins, Track::Stable, "a");
    for at in 0..value.len() {
        for other in [b'0', b'c', b'.', b' '] {
            let mut changed = value.clone().into_bytes();
            if changed[at] != other {
                changed[at] = other;
                assert_eq!(pins.read(std::iter::once(&changed[..])), None, "{}", String::from_utf8_lossy(&changed));
            }
        }
        assert_eq!(read(&pins, &value[..at]), None);
    }
    assert_eq!(read(&pins, &format!("{value}0")), None);
}

#[test]
fn what_is_signed_but_not_understood_is_no_pin() {
    let pins = by_backend(&["k"]);
    for payload in ["2.s", "1", "1.x", "1.s.6g", "1.s.ff", "1.s.61.61", ""] {
        let signature = hex::encode(&pins.keys.sign(&pins.message(payload)));
        assert_eq!(read(&pins, &format!("{payload}.{signature}")), None, "{payload}");
    }
}

#[test]
fn a_genuine_cookie_is_found_among_a_few_false_ones() {
    let pins = by_backend(&["k"]);
    let genuine = value(&pins, Track::Canary, "a");
    let among = |false_ones: usize| {
        let values = std::iter::repeat_n(&b"1.s.00"[..], false_ones).chain([genuine.as_bytes()]);
        pins.read(values)
    };
    assert_eq!(among(MAX_TRIED - 1), pin(Track::Canary, Some("a")));
    assert_eq!(among(MAX_TRIED), None);
}

#[test]
fn what_is_too_long_is_neither_set_nor_read() {
    let pins = by_backend(&["k"]);
    assert!(pins.set_cookie(Track::Stable, &BackendId::new("x".repeat(MAX_VALUE / 2))).is_none());
    let fits = value(&pins, Track::Stable, &"x".repeat(MAX_VALUE / 2 - SIGNATURE - 3));
    assert!(read(&pins, &fits).is_some());
    let payload = "1.s.".to_owned() + &"61".repeat(MAX_VALUE);
    let long = format!("{payload}.{}", hex::encode(&pins.keys.sign(&pins.message(&payload))));
    assert_eq!(read(&pins, &long), None);
}

proptest! {
    #[test]
    fn no_bytes_make_a_pin_or_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        prop_assert_eq!(by_backend(&["k"]).read(std::iter::once(&bytes[..])), None);
    }

    #[test]
    fn nothing_that_looks_like_a_cookie_makes_a_pin_or_a_panic(
        value in "[12]\\.[scx](\\.[0-9a-f]{0,6})?\\.[0-9a-f]{0,34}",
    ) {
        prop_assert_eq!(read(&by_backend(&["k"]), &value), None);
    }
}
