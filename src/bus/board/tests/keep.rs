//! What a successor takes over.

use std::time::{Duration, Instant, SystemTime};

use super::*;
use crate::bus::command::{LeaseAsk, Mark};
use crate::model::{BackendId, DrainMark, LeaseMark, MarkReading, Note, Reason};

fn fresh() -> Board {
    let mut board = board(vec![watched("app", "alert:app")]);
    board.store_was_read(0, Instant::now());
    board
}

fn busy() -> Board {
    let mut board = fresh();
    let (app, now) = (name("app"), Instant::now());
    board.apply(b"alert:app".to_vec(), Some(held("old")), None, now);
    board.clear(&app, now).unwrap();
    board.raise(&app, &alert("p99"), now).unwrap();
    board.mark(&app, Mark::Drain(BackendId::new("web1"), DrainMark::default()), now).unwrap();
    board.announce(BTreeMap::from([(app, PeerMark { reason: Reason::Live })]), now);
    board
}

/// As it is handed over: as text.
fn handed(kept: &Kept) -> Kept {
    serde_json::from_str(&serde_json::to_string(kept).unwrap()).unwrap()
}

fn marks(board: &mut Board) -> MarkReading {
    board.take_marks().unwrap()
}

#[test]
fn writes_that_the_store_has_not_taken_go_on_but_not_the_announcements() {
    let mut board = busy();
    board.challenge(&BTreeMap::new(), &BTreeMap::from([("tok".into(), "tok.thumb".into())]), Instant::now());
    let kept = handed(&board.kept(false, Instant::now(), SystemTime::now()));
    assert!(!serde_json::to_string(&kept).unwrap().contains("acme"), "it would stand for ever");
    let mut next = fresh();
    next.restore(kept, false, Instant::now(), SystemTime::now());
    assert_eq!(marks(&mut next).marks.drains.len(), 1);
    assert_eq!(next.take_reading().unwrap().owners.keys().map(|owner| &**owner).collect::<Vec<_>>(), ["api"]);
    let keys: Vec<String> = next.unsent().iter().map(|write| String::from_utf8_lossy(&write.key).into()).collect();
    assert_eq!(keys, ["alert:app", "alert:app:api", "drain:app:web1"]);
    assert_eq!(next.unsent()[0].removes(), Some([held("old")].as_slice()));
}

#[test]
fn the_store_in_memory_is_taken_over_whole_and_leases_with_the_time_they_have_left() {
    let (mut board, app, now, wall) = (busy(), name("app"), Instant::now(), SystemTime::now());
    for write in board.unsent() {
        board.settle(&write, now);
    }
    let until = wall + Duration::from_secs(60);
    let lease = LeaseMark { id: "a".into(), backend: BackendId::new("web1"), until, note: Note::default() };
    board.lease(&app, &LeaseAsk::Grant(lease), now, wall).unwrap();
    let kept = handed(&board.kept(true, now, wall));

    let mut next = fresh();
    next.restore(kept.clone(), true, now, wall + Duration::from_secs(20));
    assert!(!next.has_unsent());
    let told = marks(&mut next).marks;
    assert!(told.lease.is_some() && told.drains.len() == 1);
    assert_eq!(&*next.take_reading().unwrap().owners["api"].reason, "p99");
    let left = next.next_end().unwrap() - now;
    assert!(left <= Duration::from_secs(40) && left > Duration::from_secs(38), "{left:?}");

    let mut late = fresh();
    late.restore(kept, true, now, wall + Duration::from_secs(61));
    assert!(marks(&mut late).marks.lease.is_none());
}

#[test]
fn what_another_version_wrote_is_taken_as_far_as_it_is_understood() {
    let text = r#"{"entries":[{"key":"weight:app","value":"nonsense","new":1},{"key":"alert:app","value":"x"},
        {"key":"drain:gone:x","value":"1"},{}],"more":true}"#;
    let mut next = fresh();
    next.restore(serde_json::from_str(text).unwrap(), false, Instant::now(), SystemTime::now());
    assert_eq!(next.unsent().len(), 1);
    assert_eq!(serde_json::from_str::<Kept>("{}").unwrap(), Kept::default());
}
