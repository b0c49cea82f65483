//! Alerts: from a key to a reading, and back.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant, SystemTime};

use super::server::Watched;
use super::*;
use crate::bus::{BusError, parse};
use crate::model::Reason;

#[tokio::test]
async fn the_memory_store_raises_and_clears_and_names_unknown_services() {
    let compat = vec![CompatKey::Text("alert".to_owned())];
    let mut bus = Bus::start(None, Options { compat, ..Options::default() });
    bus.expect(PATIENCE, "").await;
    assert_eq!(bus.raise("p99").await, "api=p99");
    bus.expect(PATIENCE, "api=p99").await;
    assert_eq!(bus.clear().await, "");
    bus.expect(PATIENCE, "").await;
    let unknown = bus.handle.clear(&ServiceName::new("nobody").unwrap()).await;
    assert!(matches!(unknown, Err(BusError::UnknownService(_))));
    assert!(bus.connected());
    let handle = bus.handle.clone();
    bus.finish();
    assert!(matches!(handle.clear(&app()).await, Err(BusError::Stopped)));
}

#[tokio::test]
async fn a_set_and_del_by_another_client_are_noticed() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let mut bus = Bus::on(&server);
    bus.expect(PATIENCE, "").await;
    let before = Instant::now();
    client.run("SET coalmine:alert:app cpu").await;
    let reading = bus.next(NOTICED).await;
    assert_eq!(shown(&reading.owners), "=cpu");
    assert!(reading.seen >= before && reading.seen <= Instant::now());
    client.run("SET coalmine:alert:app cpu").await;
    client.run("SET coalmine:alert:application x").await;
    client.run("SET alert:app x").await;
    client.run("SET coalmine:alert:app off").await;
    bus.expect(NOTICED, "").await;
    client.run("SET coalmine:alert:app memory").await;
    bus.expect(NOTICED, "=memory").await;
    client.run("DEL coalmine:alert:app").await;
    bus.expect(NOTICED, "").await;
    bus.finish();
}

#[tokio::test]
async fn expiry_flushall_and_rename_are_noticed() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let mut bus = Bus::on(&server);
    bus.expect(PATIENCE, "").await;
    client.run("SET coalmine:alert:app short").await;
    bus.expect(NOTICED, "=short").await;
    let limited = Instant::now();
    client.run("PEXPIRE coalmine:alert:app 300").await;
    bus.expect(NOTICED, "").await;
    assert!(limited.elapsed() >= Duration::from_millis(290));
    client.run("SET coalmine:alert:app:monitor x").await;
    bus.expect(NOTICED, "monitor=x").await;
    client.run("RENAME coalmine:alert:app:monitor coalmine:alert:app:pager").await;
    let mut renamed = bus.next(NOTICED).await;
    // The two halves of a rename may be told apart.
    while shown(&renamed.owners) != "pager=x" {
        renamed = bus.next(NOTICED).await;
    }
    client.run("FLUSHALL").await;
    bus.expect(NOTICED, "").await;
    bus.finish();
}

#[tokio::test]
async fn two_owners_keep_the_alert_until_both_clear() {
    let server = Server::start().await;
    let mut client = server.client().await;
    client.run("SET coalmine:alert:app:a x").await;
    client.run(r#"SET coalmine:alert:app:b {"reason":"y","by":"monitor"}"#).await;
    let mut bus = Bus::on(&server);
    bus.expect(PATIENCE, "a=x,b=y").await;
    client.run("DEL coalmine:alert:app:a").await;
    bus.expect(NOTICED, "b=y").await;
    client.run("SET coalmine:alert:app:b 0").await;
    bus.expect(NOTICED, "").await;
    client.run("LPUSH coalmine:alert:app x").await;
    bus.expect(NOTICED, &format!("={}", parse::wrong_type().reason)).await;
    bus.finish();
}

#[tokio::test]
async fn a_local_raise_is_written_as_json_and_a_clear_removes_it() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let mut bus = Bus::on(&server);
    bus.expect(PATIENCE, "").await;
    assert_eq!(bus.raise("p99").await, "api=p99");
    bus.expect(NOTICED, "api=p99").await;
    let written = client.until("coalmine:alert:app:api", |value| value.starts_with('{')).await;
    assert_eq!(written, r#"{"reason":"p99","by":"test"}"#);
    client.run("SET coalmine:alert:app x").await;
    bus.expect(NOTICED, "=x,api=p99").await;
    client.run("SET coalmine:alert:app:monitor y").await;
    bus.expect(NOTICED, "=x,api=p99,monitor=y").await;
    assert_eq!(bus.clear().await, "monitor=y");
    bus.expect(NOTICED, "monitor=y").await;
    client.until("coalmine:alert:app:api", |value| value == "(nil)").await;
    client.until("coalmine:alert:app", |value| value == "(nil)").await;
    bus.finish();
}

#[tokio::test]
async fn a_restarted_server_is_read_again_before_the_state_that_was_held_is_given_up() {
    let mut server = Server::start().await;
    let mut bus = Bus::on(&server);
    bus.expect(PATIENCE, "").await;
    server.client().await.run("SET coalmine:alert:app:a x").await;
    bus.expect(NOTICED, "a=x").await;
    server.kill();
    bus.until_connected(false).await;
    server.restart().await;
    server.client().await.run("SET coalmine:alert:app:b y").await;
    let mut owners = shown(&bus.next(PATIENCE).await.owners);
    while owners != "b=y" {
        owners = shown(&bus.next(PATIENCE).await.owners);
    }
    bus.until_connected(true).await;
    server.client().await.run("DEL coalmine:alert:app:b").await;
    bus.expect(NOTICED, "").await;
    bus.finish();
}

#[tokio::test]
async fn a_raise_while_the_store_is_away_is_in_force_at_once_and_written_later() {
    let mut server = Server::start().await;
    let mut bus = Bus::on(&server);
    bus.expect(PATIENCE, "").await;
    server.kill();
    bus.until_connected(false).await;
    assert_eq!(bus.raise("p99").await, "api=p99");
    bus.expect(NOTICED, "api=p99").await;
    server.restart().await;
    let mut client = server.client().await;
    client.until("coalmine:alert:app:api", |value| value.contains("p99")).await;
    bus.until_connected(true).await;
    client.run("DEL coalmine:alert:app:api").await;
    bus.expect(NOTICED, "").await;
    bus.finish();
}

#[tokio::test]
async fn a_clear_while_the_store_is_frozen_removes_what_stood_and_not_what_came_after() {
    let server = Server::start().await;
    let mut client = server.client().await;
    client.run("SET coalmine:alert:app old").await;
    client.run("SET coalmine:alert:app:api old").await;
    let mut bus = Bus::on(&server);
    bus.expect(PATIENCE, "=old,api=old").await;
    let mut rival = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    rival.write_all(b"PING\r\n").unwrap();
    rival.read_exact(&mut [0; 7]).unwrap();
    server.signal("-STOP");
    bus.until_connected(false).await;
    assert_eq!(bus.clear().await, "");
    bus.expect(NOTICED, "").await;
    // In the server's hands before anything that a new connection sends.
    rival.write_all(b"SET coalmine:alert:app newer\r\n").unwrap();
    server.signal("-CONT");
    bus.expect(PATIENCE, "=newer").await;
    client.until("coalmine:alert:app:api", |value| value == "(nil)").await;
    assert_eq!(client.run("GET coalmine:alert:app").await, "newer");
    bus.finish();
}

#[tokio::test]
async fn a_killed_connection_heals_and_tracks_again() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let mut bus = Bus::on(&server);
    bus.expect(PATIENCE, "").await;
    for round in ["1st", "2nd", "3rd"] {
        client.run("CLIENT KILL TYPE normal SKIPME yes").await;
        eventually(async || {
            let info = client.run("INFO clients").await;
            info.contains("tracking_clients:1").then_some(())
        })
        .await;
        client.run(&format!("SET coalmine:alert:app {round}")).await;
        bus.expect(NOTICED, &format!("={round}")).await;
    }
    bus.finish();
}

#[tokio::test]
async fn a_server_that_is_away_at_the_start_is_waited_for() {
    let mut server = Server::start().await;
    server.kill();
    let mut bus = Bus::on(&server);
    assert_eq!(bus.raise("early").await, "api=early");
    server.restart().await;
    bus.expect(PATIENCE, "api=early").await;
    bus.finish();
}

#[tokio::test]
async fn old_keys_are_watched_and_the_gap_of_a_pop_and_push_is_not_an_end() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let old = vec![CompatKey::List("alertValThreshold".to_owned()), CompatKey::Text("alert".to_owned())];
    let mut bus = Bus::start(Some(settings(place(&server))), Options { compat: old, ..Options::default() });
    bus.expect(PATIENCE, "").await;
    client.run("LPUSH alertValThreshold yes").await;
    bus.expect(NOTICED, "compat:alertValThreshold=yes").await;
    for _ in 0..20 {
        client.run("LPOP alertValThreshold").await;
        client.run("LPUSH alertValThreshold yes").await;
    }
    client.run("SET alert 1").await;
    bus.expect(NOTICED, "compat:alert=1,compat:alertValThreshold=yes").await;
    client.run("LPUSH alertValThreshold no").await;
    bus.expect(NOTICED, "compat:alert=1").await;
    client.run("LPUSH alertValThreshold yes").await;
    bus.expect(NOTICED, "compat:alert=1,compat:alertValThreshold=yes").await;
    client.run("DEL alertValThreshold").await;
    bus.expect(NOTICED, "compat:alert=1").await;
    client.run("CLIENT KILL TYPE normal SKIPME yes").await;
    client.run("SET alert 0").await;
    bus.expect(PATIENCE, "").await;
    bus.finish();
}

#[tokio::test]
async fn a_failover_by_sentinel_is_followed() {
    let watched = Watched::start().await;
    let compat = vec![CompatKey::Text("alert".to_owned())];
    let mut bus = Bus::start(Some(settings(watched.place())), Options { compat, ..Options::default() });
    bus.expect(PATIENCE, "").await;
    watched.primary.client().await.run("SET coalmine:alert:app x").await;
    bus.expect(NOTICED, "=x").await;
    watched.replica.client().await.until("coalmine:alert:app", |value| value == "x").await;
    let mut replica_client = watched.fail_over().await;
    replica_client.run("SET coalmine:alert:app:moved y").await;
    bus.expect(PATIENCE, "=x,moved=y").await;
    replica_client.run("SET alert 1").await;
    bus.expect(PATIENCE, "=x,compat:alert=1,moved=y").await;
    bus.finish();
}

#[tokio::test]
async fn a_restricted_user_a_password_and_a_database_suffice() {
    let server = Server::start().await;
    let mut client = server.client().await;
    client.run("SELECT 3").await;
    client.run("SET coalmine:alert:app x").await;
    client
        .run(
            "ACL SETUSER balancer on >secret resetkeys ~coalmine:* ~alert resetchannels -@all \
             +hello +client|tracking +getrange +pttl +scan +set +del +lrange +select +eval",
        )
        .await;
    client.run("CONFIG SET requirepass other").await;
    let place = RedisPlace::Server { address: server.endpoint(), database: 3 };
    let password = Some(Secret::new("secret".to_owned()));
    let settings = RedisSettings { username: "balancer".to_owned(), password, ..settings(place) };
    let compat = vec![CompatKey::Text("alert".to_owned())];
    let mut bus = Bus::start(Some(settings), Options { compat, affinity: true, ..Options::default() });
    bus.expect(PATIENCE, "=x").await;
    client.run("SET alert 1").await;
    bus.expect(NOTICED, "=x,compat:alert=1").await;
    assert_eq!(bus.clear().await, "compat:alert=1");
    bus.expect(NOTICED, "compat:alert=1").await;
    client.until("coalmine:alert:app", |value| value == "(nil)").await;
    client.until("coalmine:affinity:key", |value| value.len() == 64).await;
    bus.announce.send_replace(BTreeMap::from([(app(), PeerMark { reason: Reason::Live })]));
    client.until("coalmine:eject:app:lb1", |value| value.contains("live")).await;
    bus.handle.lease(&app(), marks::lease("a")).await.unwrap();
    bus.handle.renew(&app(), "a", SystemTime::now() + Duration::from_secs(90)).await.unwrap();
    bus.handle.release(&app(), "a").await.unwrap();
    assert_eq!(client.run("GET coalmine:lease:app").await, "(nil)");
}
