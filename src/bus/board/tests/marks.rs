//! Marks, leases and announcements.

use std::time::{Duration, Instant, SystemTime};

use super::*;
use crate::bus::command::{BusError, LeaseAsk, Mark, MarkName};
use crate::bus::parse::Raw;
use crate::model::{BackendId, DrainMark, EjectMark, LeaseMark, Note, Reason, Weight, WeightMark};

/// One service `app`, read once, and its first marks told.
fn read_once() -> Board {
    let mut board = board(vec![watched("app", "alert:app")]);
    assert!(board.take_marks().is_none(), "not before everything was read");
    board.store_was_read(0, Instant::now());
    assert_eq!(told(&mut board).as_deref(), Some("{}"));
    board
}

/// Somebody else writes, or removes.
fn store(board: &mut Board, key: &str, text: &str) {
    let place = board.keys.place(key.as_bytes()).unwrap();
    let held = parse::held(&place, &Raw::Bytes(text.as_bytes().to_vec())).unwrap();
    board.apply(key.into(), held, None, Instant::now());
}

/// The next marks that are told, without what is empty.
fn told(board: &mut Board) -> Option<String> {
    board.take_marks().map(|reading| {
        let mut marks = serde_json::to_value(&reading.marks).unwrap();
        marks
            .as_object_mut()
            .unwrap()
            .retain(|_, mark| !mark.is_null() && mark.as_object().is_none_or(|all| !all.is_empty()));
        marks.to_string()
    })
}

fn expect(board: &mut Board, marks: &str) {
    assert_eq!(told(board).as_deref(), Some(marks));
    assert_eq!(told(board), None);
}

fn note(reason: &str) -> Note {
    Note { reason: Some(reason.into()), by: None }
}

fn lease(id: &str) -> LeaseMark {
    let until = SystemTime::now() + Duration::from_secs(60);
    LeaseMark { id: id.into(), backend: BackendId::new("web1"), until, note: Note::default() }
}

#[test]
fn marks_of_the_store_are_told_whole_and_once() {
    let mut board = read_once();
    store(&mut board, "drain:app:web1", "update");
    expect(&mut board, r#"{"drains":{"web1":{"keep_sessions":false,"reason":"update"}}}"#);
    store(&mut board, "weight:app", "5:0");
    store(&mut board, "eject:app:lb2", r#"{"reason":"live"}"#);
    store(&mut board, "eject:app", "0");
    let both = r#"{"drains":{"web1":{"keep_sessions":false,"reason":"update"}},"peers":{"lb2":{"reason":"live"}},"weights":{"canary":0,"stable":5}}"#;
    expect(&mut board, both);
    store(&mut board, "drain:app:web1", "off");
    store(&mut board, "eject:app:lb2", "");
    expect(&mut board, r#"{"weights":{"canary":0,"stable":5}}"#);
    assert!(!board.has_news() || board.take_reading().is_some(), "alerts are told apart");
}

#[test]
fn what_is_written_here_is_in_force_at_once_and_stays_until_the_store_has_it() {
    let mut board = read_once();
    let app = name("app");
    let weights =
        WeightMark { stable: Weight::new(1).unwrap(), canary: Weight::new(0).unwrap(), note: Note::default() };
    for mark in [
        Mark::Drain(BackendId::new("[::1]:80"), DrainMark { keep_sessions: true, note: note(&"x".repeat(9000)) }),
        Mark::Weights(weights),
        Mark::Ejection(EjectMark { note: note("odd") }),
    ] {
        board.mark(&app, mark, Instant::now()).unwrap();
    }
    let marks = board.take_marks().unwrap().marks;
    let drain = &marks.drains[&BackendId::new("[::1]:80")];
    assert!(drain.keep_sessions && drain.note.reason.as_ref().unwrap().len() == 512);
    assert!(marks.weights.is_some() && marks.ejection.is_some());
    board.apply(b"weight:app".to_vec(), None, None, Instant::now());
    assert!(board.take_marks().is_none());
    for write in board.unsent() {
        board.settle(&write, Instant::now());
    }
    assert!(board.take_marks().is_none() && !board.has_unsent());
    let marks = board.unmark(&app, &MarkName::Weights, Instant::now()).unwrap();
    assert!(marks.weights.is_none() && marks.ejection.is_some());
    let error = board.unmark(&name("nobody"), &MarkName::Weights, Instant::now()).unwrap_err();
    assert!(matches!(error, BusError::UnknownService(_)));
}

#[test]
fn one_lease_is_out_at_a_time_and_only_its_holder_may_change_it() {
    let mut board = read_once();
    let (app, now, wall) = (name("app"), Instant::now(), SystemTime::now());
    let mut ask = |ask: LeaseAsk| board.lease(&app, &ask, now, wall);
    let release = |id: &str| LeaseAsk::Release { id: id.to_owned() };
    let renew = |id: &str| LeaseAsk::Renew { id: id.to_owned(), until: wall + Duration::from_secs(90) };
    assert!(ask(LeaseAsk::Grant(lease("a"))).is_ok());
    let Err(BusError::Leased(held)) = ask(LeaseAsk::Grant(lease("b"))) else { panic!("two leases") };
    assert_eq!(&*held.id, "a");
    assert!(matches!(ask(renew("b")), Err(BusError::NoLease)));
    assert_eq!(ask(renew("a")).unwrap().until, wall + Duration::from_secs(90));
    assert!(matches!(ask(release("b")), Err(BusError::NoLease)));
    assert!(ask(release("a")).is_ok());
    assert!(matches!(ask(release("a")), Err(BusError::NoLease)));
    assert!(ask(LeaseAsk::Grant(lease("b"))).is_ok());
}

#[test]
fn a_lease_ends_by_itself_and_none_lasts_for_ever() {
    let mut board = read_once();
    let (app, now, wall) = (name("app"), Instant::now(), SystemTime::now());
    let far = LeaseMark { until: wall + Duration::from_secs(u64::MAX / 4), ..lease("a") };
    let granted = board.lease(&app, &LeaseAsk::Grant(far), now, wall).unwrap();
    assert_eq!(granted.until, wall + Duration::from_secs(24 * 3600));
    assert!(board.take_marks().unwrap().marks.lease.is_some());
    let end = board.next_end().unwrap();
    board.end_overdue(end - Duration::from_secs(1));
    assert!(board.take_marks().is_none());
    board.end_overdue(end);
    expect(&mut board, "{}");
    assert_eq!(board.next_end(), None);
}

#[test]
fn of_what_has_a_time_to_live_only_leases_and_peers_end_without_the_stores_word() {
    let mut board = read_once();
    let ends = Instant::now() + Duration::from_secs(5);
    for (key, text) in [
        ("alert:app", "p99"),
        ("drain:app:web1", "update"),
        ("weight:app", "9:1"),
        ("eject:app", "odd"),
        ("eject:app:lb2", r#"{"reason":"live"}"#),
    ] {
        let held = parse::held(&board.keys.place(key.as_bytes()).unwrap(), &Raw::Bytes(text.into())).unwrap();
        board.apply(key.into(), held, Some(ends), Instant::now());
    }
    assert!(board.take_marks().unwrap().marks.peers.contains_key("lb2"));
    assert_eq!(board.next_end(), Some(ends));
    board.end_overdue(ends - Duration::from_millis(1));
    assert!(board.take_marks().is_none());
    board.end_overdue(ends);
    let marks = board.take_marks().unwrap().marks;
    assert_eq!((marks.peers.len(), marks.drains.len()), (0, 1));
    assert!(marks.weights.is_some() && marks.ejection.is_some());
    assert_eq!(board.take_reading().unwrap().owners.len(), 1);
    assert_eq!(board.next_end(), None);
}

#[test]
fn a_service_hears_its_marks_before_its_alerts() {
    let mut board = board(vec![watched("app", "alert:app"), watched("other", "alert:other")]);
    board.store_was_read(0, Instant::now());
    assert!(!board.has_news() && board.take_reading().is_none());
    assert_eq!(board.take_marks().unwrap().service, name("app"));
    assert_eq!(board.take_reading().unwrap().service, name("app"));
    assert!(!board.has_news(), "the other one's marks are not told yet");
    assert_eq!(board.take_marks().unwrap().service, name("other"));
    assert_eq!(board.take_reading().unwrap().service, name("other"));
}

#[test]
fn announcements_are_written_renewed_and_taken_back_and_never_told_to_oneself() {
    let mut board = read_once();
    let now = Instant::now();
    let live = BTreeMap::from([(name("app"), PeerMark { reason: Reason::Live })]);
    board.announce(live, now);
    let write = board.unsent().pop().unwrap();
    assert_eq!(write.key, b"eject:app:me");
    assert!(matches!(write.change, Change::Put { lifetime: Some(_), .. }));
    board.settle(&write, now);
    board.restate_announcements(now);
    assert!(!board.has_unsent());
    assert!(board.take_marks().is_none(), "one's own is no peer's");
    board.renew_announcements(now);
    assert_eq!(board.unsent().len(), 1);
    board.settle(&board.unsent()[0].clone(), now);
    board.apply(b"eject:app:me".to_vec(), None, None, now);
    board.restate_announcements(now);
    assert_eq!(board.unsent().len(), 1, "somebody removed it");
    board.announce(BTreeMap::new(), now);
    let write = board.unsent().pop().unwrap();
    assert_eq!((write.key.as_slice(), write.removes().is_some()), (b"eject:app:me".as_slice(), true));
    board.settle(&write, now);
    board.renew_announcements(now);
    assert!(!board.has_unsent() && board.take_marks().is_none());
}

#[test]
fn a_flood_of_drains_is_bounded_and_hides_no_other_mark_and_no_alert() {
    let mut board = read_once();
    for backend in 0..MAX_MARKS + 10 {
        store(&mut board, &format!("drain:app:{backend}"), "x");
    }
    store(&mut board, "eject:app", "x");
    store(&mut board, "alert:app", "x");
    let marks = board.take_marks().unwrap().marks;
    assert_eq!((marks.drains.len(), marks.ejection.is_some()), (MAX_MARKS, true));
    assert_eq!(board.take_reading().unwrap().owners.len(), 1);
}

#[test]
fn a_service_that_stays_keeps_its_marks_untold_though_its_alerts_moved() {
    let mut board = read_once();
    store(&mut board, "weight:app", "1:0");
    expect(&mut board, r#"{"weights":{"canary":0,"stable":1}}"#);
    board.rewatch(vec![watched("app", "elsewhere"), watched("new", "alert:new")], Instant::now());
    board.store_was_read(1, Instant::now());
    assert_eq!(board.take_marks().unwrap().service, name("new"));
    assert!(board.take_marks().is_none());
    store(&mut board, "weight:app", "off");
    expect(&mut board, "{}");
}

#[test]
fn odd_bytes_in_a_key_are_shown_and_never_fatal() {
    let mut board = read_once();
    let key = b"drain:app:\xff\n".iter().copied().chain([0xff, 0x00]).collect();
    board.apply(key, Some(Held::Drain(DrainMark::default())), None, Instant::now());
    assert_eq!(board.take_marks().unwrap().marks.drains.len(), 1);
}
