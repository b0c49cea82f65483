//! Alerts.

use std::time::Instant;

use super::*;

/// One service `app` with the key `alert`, read once.
fn read_once() -> Board {
    let mut alerts = board(vec![watched("app", "alert")]);
    alerts.store_was_read(0, Instant::now());
    assert_eq!(drain(&mut alerts), ["app:"]);
    alerts
}

fn store(alerts: &mut Board, key: &str, reason: Option<&str>) {
    alerts.apply(key.into(), reason.map(held), None, Instant::now());
}

/// Every reading that waits, as `service:owner=reason,...`. Marks are told before.
fn drain(alerts: &mut Board) -> Vec<String> {
    while alerts.take_marks().is_some() {}
    std::iter::from_fn(|| alerts.take_reading())
        .map(|reading| format!("{}:{}", reading.service, shown(&reading.owners)))
        .collect()
}

fn shown(owners: &Owners) -> String {
    let owners: Vec<String> = owners.iter().map(|(owner, alert)| format!("{owner}={}", alert.reason)).collect();
    owners.join(",")
}

#[test]
fn nothing_is_told_before_everything_was_read() {
    let mut alerts = board(vec![watched("app", "alert"), watched("other", "alert:other")]);
    store(&mut alerts, "alert", Some("x"));
    assert!(drain(&mut alerts).is_empty());
    alerts.store_was_read(0, Instant::now());
    assert_eq!(drain(&mut alerts), ["app:=x", "other:"]);
}

#[test]
fn a_service_is_alerted_until_the_last_owner_clears() {
    let mut alerts = read_once();
    store(&mut alerts, "alert:a", Some("x"));
    store(&mut alerts, "alert:b", Some("y"));
    assert_eq!(drain(&mut alerts), ["app:a=x,b=y"]);
    store(&mut alerts, "alert:a", None);
    assert_eq!(drain(&mut alerts), ["app:b=y"]);
    store(&mut alerts, "alert:b", None);
    assert_eq!(drain(&mut alerts), ["app:"]);
}

#[test]
fn the_same_twice_is_told_once_and_the_time_is_that_of_the_first_sign() {
    let mut alerts = read_once();
    let first = Instant::now();
    let later = first + std::time::Duration::from_secs(1);
    alerts.apply(b"alert".to_vec(), Some(held("x")), None, first);
    alerts.apply(b"alert:a".to_vec(), Some(held("y")), None, later);
    assert_eq!(alerts.take_reading().map(|reading| reading.seen), Some(first));
    store(&mut alerts, "alert", Some("x"));
    assert!(drain(&mut alerts).is_empty());
    store(&mut alerts, "alert", None);
    store(&mut alerts, "alert", Some("x"));
    assert!(drain(&mut alerts).is_empty(), "a blink between two readings is not told");
}

#[test]
fn a_key_that_only_begins_alike_is_a_stranger() {
    let mut alerts = read_once();
    store(&mut alerts, "alert2", Some("x"));
    store(&mut alerts, "aler", Some("x"));
    store(&mut alerts, "alert-a:b", Some("x"));
    assert!(drain(&mut alerts).is_empty());
}

#[test]
fn two_services_may_share_a_key_and_a_key_may_be_an_owner_of_another() {
    let mut alerts = board(vec![watched("a", "alert"), watched("b", "alert"), watched("c", "alert:c")]);
    alerts.store_was_read(0, Instant::now());
    drain(&mut alerts);
    store(&mut alerts, "alert:c:x", Some("y"));
    assert_eq!(drain(&mut alerts), ["a:c:x=y", "b:c:x=y", "c:x=y"]);
}

#[test]
fn a_local_raise_is_in_force_at_once_and_outlives_a_read_that_does_not_have_it() {
    let mut alerts = read_once();
    let owners = alerts.raise(&name("app"), &alert("p99"), Instant::now()).unwrap();
    assert_eq!(shown(&owners), "api=p99");
    assert_eq!(drain(&mut alerts), ["app:api=p99"]);
    store(&mut alerts, "alert:api", None);
    assert!(drain(&mut alerts).is_empty());
    let write = alerts.unsent().pop().unwrap();
    alerts.settle(&write, Instant::now());
    assert!(drain(&mut alerts).is_empty() && !alerts.has_unsent());
    store(&mut alerts, "alert:api", None);
    assert_eq!(drain(&mut alerts), ["app:"], "once written, the store is believed");
}

#[test]
fn a_local_clear_removes_the_plain_key_and_ours_and_leaves_other_owners() {
    let mut alerts = read_once();
    for key in ["alert", "alert:api", "alert:monitor"] {
        store(&mut alerts, key, Some("x"));
    }
    let owners = alerts.clear(&name("app"), Instant::now()).unwrap();
    assert_eq!(shown(&owners), "monitor=x");
    let known = |write: Write| (write.key.clone(), write.removes().unwrap().len());
    let writes: Vec<_> = alerts.unsent().into_iter().map(known).collect();
    assert_eq!(writes, [(b"alert".to_vec(), 1), (b"alert:api".to_vec(), 1)]);
}

#[test]
fn a_later_command_is_not_settled_by_the_write_of_an_earlier_one() {
    let mut alerts = read_once();
    alerts.raise(&name("app"), &alert("a"), Instant::now()).unwrap();
    let raise = alerts.unsent().pop().unwrap();
    alerts.clear(&name("app"), Instant::now()).unwrap();
    alerts.settle(&raise, Instant::now());
    assert_eq!(alerts.unsent().len(), 2);
    assert!(drain(&mut alerts).is_empty(), "raised and cleared before anybody was told");
}

#[test]
fn a_refused_write_stays_in_force_and_waits_for_the_next_try() {
    let mut alerts = read_once();
    alerts.raise(&name("app"), &alert("a"), Instant::now()).unwrap();
    let write = alerts.unsent().pop().unwrap();
    alerts.refuse(&write);
    assert!(!alerts.has_unsent());
    assert_eq!(drain(&mut alerts), ["app:api=a"]);
    alerts.retry();
    assert!(alerts.has_unsent());
}

#[test]
fn an_unknown_service_is_an_error() {
    let error = read_once().clear(&name("nobody"), Instant::now()).unwrap_err();
    assert_eq!(error.to_string(), "no service `nobody`");
}

#[test]
fn keys_run_out_by_their_own_deadline() {
    let mut alerts = read_once();
    let now = Instant::now();
    let soon = now + std::time::Duration::from_millis(5);
    alerts.apply(b"alert".to_vec(), Some(held("x")), Some(soon), now);
    store(&mut alerts, "alert:a", Some("y"));
    assert_eq!(alerts.next_expiry(), Some(soon));
    assert!(alerts.expired(now).is_empty());
    assert_eq!(alerts.expired(soon), [b"alert".to_vec()]);
    alerts.apply(b"alert".to_vec(), Some(held("x")), None, now);
    assert_eq!(alerts.next_expiry(), None, "made to stay");
}

#[test]
fn a_flood_of_owners_is_bounded_and_hides_no_other_service() {
    let mut alerts = board(vec![watched("a", "a"), watched("b", "b")]);
    for owner in 0..MAX_KEYS + 10 {
        store(&mut alerts, &format!("a:{owner}"), Some("x"));
    }
    assert_eq!(alerts.alerts, MAX_KEYS);
    store(&mut alerts, "b:one", Some("x"));
    store(&mut alerts, "a", Some("x"));
    assert_eq!(alerts.alerts, MAX_KEYS + 2);
}

#[test]
fn old_keys_count_as_owners_of_their_services_and_are_waited_for() {
    let old = CompatKey::List("alertValThreshold".to_owned());
    let mut with_old = watched("app", "alert");
    with_old.keys.compat = vec![old.clone()];
    let mut alerts = board(vec![with_old, watched("other", "x")]);
    alerts.store_was_read(0, Instant::now());
    assert_eq!(drain(&mut alerts), ["other:"], "who has no old keys waits for none");
    alerts.apply_compat(vec![old.clone()], BTreeMap::from([(old.clone(), alert("yes"))]), Instant::now());
    assert_eq!(drain(&mut alerts), ["app:compat:alertValThreshold=yes"]);
    alerts.apply_compat(vec![old], BTreeMap::new(), Instant::now());
    assert_eq!(drain(&mut alerts), ["app:"]);
}

#[test]
fn another_set_of_services_keeps_what_is_unchanged_and_tells_what_is_new_once_it_was_read() {
    let mut alerts = board(vec![watched("a", "alert:a"), watched("b", "alert:b"), watched("c", "alert:c")]);
    alerts.store_was_read(0, Instant::now());
    for key in ["alert:a", "alert:b", "alert:c"] {
        store(&mut alerts, key, Some("x"));
    }
    drain(&mut alerts);
    alerts.clear(&name("b"), Instant::now()).unwrap();
    alerts.rewatch(vec![watched("d", "alert:d"), watched("a", "alert:a"), watched("c", "other:c")], Instant::now());
    assert!(!alerts.has_unsent(), "nobody is left who would clear it");
    assert!(drain(&mut alerts).is_empty());
    store(&mut alerts, "alert:b", Some("y"));
    store(&mut alerts, "alert:d", Some("y"));
    alerts.store_was_read(0, Instant::now());
    assert!(drain(&mut alerts).is_empty(), "that was begun before");
    alerts.store_was_read(1, Instant::now());
    assert_eq!(drain(&mut alerts), ["d:=y", "c:"]);
    assert_eq!(alerts.alerts, 2);
    store(&mut alerts, "alert:a", None);
    assert_eq!(drain(&mut alerts), ["a:"]);
}

#[test]
fn an_old_key_that_comes_later_is_waited_for() {
    let old = CompatKey::Text("alert".to_owned());
    let mut alerts = read_once();
    let mut with_old = watched("app", "alert");
    with_old.keys.compat = vec![old.clone()];
    alerts.rewatch(vec![with_old], Instant::now());
    store(&mut alerts, "alert", Some("x"));
    assert!(drain(&mut alerts).is_empty());
    alerts.apply_compat(vec![old.clone()], BTreeMap::from([(old, alert("1"))]), Instant::now());
    assert_eq!(drain(&mut alerts), ["app:=x,compat:alert=1"]);
}
