//! Two balancers on one Redis: what operators say on one holds on both.

use std::time::SystemTime;

use super::*;
use crate::bus::{BusError, Mark, MarkName};
use crate::model::{BackendId, DrainMark, EjectMark, LeaseMark, Note, Weight, WeightMark};

pub(super) fn lease(id: &str) -> LeaseMark {
    let until = SystemTime::now() + Duration::from_secs(60);
    LeaseMark { id: id.into(), backend: BackendId::new("web1"), until, note: Note::default() }
}

pub(super) fn weights(stable: u16, canary: u16) -> Mark {
    let weight = |weight| Weight::new(weight).unwrap();
    Mark::Weights(WeightMark { stable: weight(stable), canary: weight(canary), note: Note::default() })
}

fn drain(backend: &str) -> Mark {
    let note = Note { reason: Some("update".into()), by: Some("ops".into()) };
    Mark::Drain(BackendId::new(backend), DrainMark { keep_sessions: true, note })
}

#[tokio::test]
async fn what_is_marked_on_one_balancer_is_in_force_on_both() {
    let server = Server::start().await;
    let (mut one, mut two) = (Bus::named(&server, "lb1"), Bus::named(&server, "lb2"));
    one.until_marks("").await;
    two.until_marks("").await;
    for (mark, name, words) in [
        (drain("10.0.0.1:80"), MarkName::Drain(BackendId::new("10.0.0.1:80")), "drain 10.0.0.1:80"),
        (weights(5, 0), MarkName::Weights, "weights 5:0"),
        (Mark::Ejection(EjectMark::default()), MarkName::Ejection, "eject"),
    ] {
        assert_eq!(marked(&one.handle.mark(&app(), mark).await.unwrap()), words);
        one.until_marks(words).await;
        two.until_marks(words).await;
        assert_eq!(marked(&two.handle.unmark(&app(), name).await.unwrap()), "");
        two.until_marks("").await;
        one.until_marks("").await;
    }
    one.stop();
    two.stop();
}

#[tokio::test]
async fn marks_by_hand_are_read_and_nonsense_is_passed_over() {
    let server = Server::start().await;
    let mut client = server.client().await;
    client.run("SET coalmine:weight:app many").await;
    client.run("LPUSH coalmine:drain:app:web2 x").await;
    client.run("SET coalmine:drain:app:web1 1").await;
    client.run("SET coalmine:drain:nobody:web1 1").await;
    let mut bus = Bus::on(&server);
    bus.until_marks("drain web1").await;
    client.run("SET coalmine:weight:app 3:1").await;
    bus.until_marks("drain web1; weights 3:1").await;
    client.run("SET coalmine:drain:app:web1 off").await;
    client.run("SET coalmine:eject:app no").await;
    bus.until_marks("weights 3:1").await;
    client.run("SET coalmine:eject:app odd").await;
    bus.until_marks("weights 3:1; eject").await;
    client.run("PEXPIRE coalmine:eject:app 100").await;
    bus.until_marks("weights 3:1").await;
    client.run("FLUSHALL").await;
    bus.until_marks("").await;
    bus.stop();
}

#[tokio::test]
async fn a_mark_while_the_store_is_away_is_in_force_at_once_and_written_later() {
    let mut server = Server::start().await;
    let (mut one, mut two) = (Bus::named(&server, "lb1"), Bus::named(&server, "lb2"));
    one.until_marks("").await;
    two.until_marks("").await;
    server.kill();
    one.until_connected(false).await;
    one.handle.mark(&app(), drain("web1")).await.unwrap();
    one.until_marks("drain web1").await;
    server.restart().await;
    two.until_marks("drain web1").await;
    let written = server.client().await.until("coalmine:drain:app:web1", |value| value.starts_with('{')).await;
    assert_eq!(written, r#"{"keep_sessions":true,"reason":"update","by":"ops"}"#);
}

#[tokio::test]
async fn one_of_two_balancers_gets_the_lease_and_only_its_holder_ends_it() {
    let server = Server::start().await;
    let (mut one, mut two) = (Bus::named(&server, "lb1"), Bus::named(&server, "lb2"));
    one.until_marks("").await;
    two.until_marks("").await;
    one.until_connected(true).await;
    two.until_connected(true).await;
    for round in 0..20 {
        let (a, b) = (format!("a{round}"), format!("b{round}"));
        let app = app();
        let answers = tokio::join!(one.handle.lease(&app, lease(&a)), two.handle.lease(&app, lease(&b)));
        let (winner, loser) = match &answers {
            (Ok(_), Err(BusError::Leased(mark))) => (mark.id.to_string(), b),
            (Err(BusError::Leased(mark)), Ok(_)) => (mark.id.to_string(), a),
            other => panic!("one of two gets it: {other:?}"),
        };
        assert!(matches!(two.handle.release(&app, &loser).await, Err(BusError::NoLease)));
        let until = SystemTime::now() + Duration::from_secs(90);
        assert!(matches!(one.handle.renew(&app, &loser, until).await, Err(BusError::NoLease)));
        assert_eq!(two.handle.renew(&app, &winner, until).await.unwrap().until, until);
        one.handle.release(&app, &winner).await.unwrap();
        assert_eq!(server.client().await.run("GET coalmine:lease:app").await, "(nil)");
    }
    let nobody = ServiceName::new("nobody").unwrap();
    assert!(matches!(one.handle.lease(&nobody, lease("a")).await, Err(BusError::UnknownService(_))));
}

#[tokio::test]
async fn a_lease_is_seen_by_all_ends_by_itself_and_is_not_granted_while_the_store_is_away() {
    let mut server = Server::start().await;
    let (mut one, mut two) = (Bus::named(&server, "lb1"), Bus::named(&server, "lb2"));
    one.until_marks("").await;
    two.until_marks("").await;
    one.until_connected(true).await;
    one.handle.lease(&app(), lease("short")).await.unwrap();
    two.until_marks("lease short").await;
    server.client().await.run("PEXPIRE coalmine:lease:app 100").await;
    two.until_marks("").await;
    eventually(async || one.handle.lease(&app(), lease("next")).await.ok()).await;
    one.until_marks("lease next").await;
    server.kill();
    one.until_connected(false).await;
    assert!(matches!(one.handle.lease(&app(), lease("x")).await, Err(BusError::Away)));
    assert!(matches!(one.handle.release(&app(), "next").await, Err(BusError::Away)));
}

#[tokio::test]
async fn a_lease_written_by_hand_holds_until_the_time_that_it_names() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let over = r#"{"id":"over","backend":"web1","until":"2020-01-01T00:00:00Z"}"#;
    client.run(&format!("SET coalmine:lease:app {over}")).await;
    let mut bus = Bus::on(&server);
    bus.until_marks("").await;
    bus.until_connected(true).await;
    bus.handle.lease(&app(), lease("a")).await.unwrap();
    bus.until_marks("lease a").await;
    client.run("SET coalmine:lease:app mine").await;
    let Err(BusError::Leased(mark)) = bus.handle.lease(&app(), lease("b")).await else { panic!("the key is taken") };
    assert_eq!(mark.backend.as_str(), "unknown");
}

#[tokio::test]
async fn in_memory_all_of_it_works_within_the_process() {
    let mut bus = Bus::in_memory(None);
    bus.until_marks("").await;
    bus.handle.mark(&app(), weights(1, 0)).await.unwrap();
    bus.handle.mark(&app(), drain("web1")).await.unwrap();
    bus.until_marks("drain web1; weights 1:0").await;
    bus.handle.lease(&app(), lease("a")).await.unwrap();
    assert!(matches!(bus.handle.lease(&app(), lease("b")).await, Err(BusError::Leased(_))));
    bus.until_marks("drain web1; weights 1:0; lease a").await;
    bus.handle.renew(&app(), "a", SystemTime::now() + Duration::from_millis(100)).await.unwrap();
    bus.until_marks("drain web1; weights 1:0").await;
    bus.handle.lease(&app(), lease("b")).await.unwrap();
    bus.handle.release(&app(), "b").await.unwrap();
    bus.handle.unmark(&app(), MarkName::Drain(BackendId::new("web1"))).await.unwrap();
    bus.until_marks("weights 1:0").await;
    bus.stop();
}
