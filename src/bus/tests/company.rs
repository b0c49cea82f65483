//! What balancers tell each other.

use std::time::Instant;

use super::*;
use crate::model::Reason;

fn live() -> BTreeMap<ServiceName, PeerMark> {
    BTreeMap::from([(app(), PeerMark { reason: Reason::Live })])
}

#[tokio::test]
async fn an_announcement_is_seen_by_the_others_alone_and_as_long_as_it_is_made() {
    let server = Server::start().await;
    let (mut one, mut two) = (Bus::named(&server, "lb1"), Bus::named(&server, "lb2"));
    one.until_marks("").await;
    two.until_marks("").await;
    one.announce.send_replace(live());
    two.until_marks("peer lb1").await;
    two.announce.send_replace(live());
    one.until_marks("peer lb2").await;
    one.announce.send_replace(BTreeMap::new());
    two.until_marks("").await;
    two.stop();
    one.until_marks("").await;
    assert_eq!(server.client().await.run("GET coalmine:eject:app:lb2").await, "(nil)", "taken back by the stop");
    one.stop();
}

#[tokio::test]
async fn an_announcement_outlives_its_own_time_while_it_is_made_and_a_killed_balancers_ends() {
    let server = Server::start().await;
    let (one, mut two) = (Bus::named(&server, "lb1"), Bus::named(&server, "lb2"));
    let mut client = server.client().await;
    one.announce.send_replace(live());
    two.until_marks("peer lb1").await;
    // As a balancer that died left it: nobody renews it.
    client.run(r#"SET coalmine:eject:app:dead {"reason":"live"}"#).await;
    two.until_marks("peer dead; peer lb1").await;
    client.run("PEXPIRE coalmine:eject:app:dead 6000").await;
    two.until_marks("peer lb1").await;
    client.run("DEL coalmine:eject:app:lb1").await;
    client.until("coalmine:eject:app:lb1", |value| value.contains("live")).await;
}

#[tokio::test]
async fn an_announcement_is_made_again_when_the_store_comes_back_empty() {
    let mut server = Server::start().await;
    let mut one = Bus::named(&server, "lb1");
    one.until_marks("").await;
    server.kill();
    one.until_connected(false).await;
    one.announce.send_replace(live());
    server.restart().await;
    server.client().await.until("coalmine:eject:app:lb1", |value| value.contains("live")).await;
    let mut late = Bus::named(&server, "late");
    late.until_marks("peer lb1").await;
}

#[tokio::test]
async fn one_that_starts_late_joins_with_the_state_of_the_others() {
    let server = Server::start().await;
    let mut one = Bus::named(&server, "lb1");
    one.until_marks("").await;
    one.raise("p99").await;
    let mut client = server.client().await;
    client.run("SET coalmine:drain:app:web1 update").await;
    client.run("SET coalmine:weight:app 9:1").await;
    one.announce.send_replace(live());
    client.until("coalmine:eject:app:lb1", |value| value.contains("live")).await;
    client.until("coalmine:alert:app:api", |value| value.contains("p99")).await;
    let mut late = Bus::named(&server, "late");
    late.expect(PATIENCE, "api=p99").await;
    late.until_marks("drain web1; weights 9:1; peer lb1").await;
    late.stop();
}

fn signing(server: &Server, name: &'static str) -> Bus {
    Bus::start(Some(settings(place(server))), Options { name, affinity: true, ..Options::default() })
}

async fn key(bus: &mut Bus) -> Secret {
    let told = timeout(PATIENCE, bus.affinity.wait_for(Option::is_some)).await.expect("a key in time").unwrap();
    told.clone().unwrap()
}

#[tokio::test]
async fn the_signing_key_is_made_once_shared_by_all_and_put_back_when_it_is_lost() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let (mut one, mut two) = (signing(&server, "lb1"), signing(&server, "lb2"));
    let made = key(&mut one).await;
    assert_eq!(made.reveal().len(), 64);
    assert!(key(&mut two).await == made);
    client.run("FLUSHALL").await;
    client.until("coalmine:affinity:key", |value| value == made.reveal()).await;
    let mut late = signing(&server, "late");
    assert!(key(&mut late).await == made);
    client.run("SET coalmine:affinity:key nonsense").await;
    client.until("coalmine:affinity:key", |value| value == made.reveal()).await;
    let other = "ab".repeat(32);
    client.run(&format!("SET coalmine:affinity:key {other}")).await;
    for bus in [&mut one, &mut two, &mut late] {
        let wait = bus.affinity.wait_for(|key| key.as_ref().is_some_and(|key| key.reveal() == other));
        timeout(PATIENCE, wait).await.expect("what stands is used").unwrap();
    }
}

#[tokio::test]
async fn what_a_peer_said_ends_by_itself_while_the_store_is_away_and_all_else_stays() {
    let mut server = Server::start().await;
    let (one, mut two) = (Bus::named(&server, "lb1"), Bus::named(&server, "lb2"));
    two.expect(PATIENCE, "").await;
    let mut client = server.client().await;
    client.run("SET coalmine:alert:app p99 PX 60000").await;
    two.expect(PATIENCE, "=p99").await;
    client.run("SET coalmine:drain:app:web1 update PX 4000").await;
    two.until_marks("drain web1").await;
    one.announce.send_replace(live());
    two.until_marks("drain web1; peer lb1").await;
    client.run("PERSIST coalmine:drain:app:web1").await;
    server.kill();
    two.until_connected(false).await;
    two.until_marks("drain web1").await;
    server.restart().await;
    two.until_marks("peer lb1").await;
    assert_eq!(shown(&two.next(PATIENCE).await.owners), "");
}

#[tokio::test]
#[allow(clippy::print_stdout, reason = "it tells how long it took; how fast a machine is proves nothing")]
async fn a_mark_is_seen_by_another_balancer_each_time() {
    let server = Server::start().await;
    let (mut one, mut two) = (Bus::named(&server, "lb1"), Bus::named(&server, "lb2"));
    one.until_marks("").await;
    two.until_marks("").await;
    let mut took = Vec::new();
    for canary in 1..=100 {
        let begun = Instant::now();
        one.handle.mark(&app(), marks::weights(1, canary)).await.unwrap();
        two.until_marks(&format!("weights 1:{canary}")).await;
        took.push(begun.elapsed());
        one.until_marks(&format!("weights 1:{canary}")).await;
    }
    took.sort();
    println!("from a mark to the other balancer: p50 {:?}, worst of {} {:?}", took[49], took.len(), took[99]);
}
