//! A successor goes on where the process before it ended.

use super::*;
use crate::bus::Mark;
use crate::model::{BackendId, DrainMark};

fn drain() -> Mark {
    Mark::Drain(BackendId::new("web1"), DrainMark::default())
}

#[tokio::test]
async fn in_memory_everything_goes_on() {
    let mut bus = Bus::in_memory(None);
    bus.expect(PATIENCE, "").await;
    bus.raise("p99").await;
    bus.handle.mark(&app(), drain()).await.unwrap();
    let kept = bus.handle.kept().await.unwrap();
    bus.stop();
    let mut next = Bus::in_memory(Some(kept));
    next.expect(PATIENCE, "api=p99").await;
    next.until_marks("drain web1").await;
    assert_eq!(next.clear().await, "");
    next.expect(PATIENCE, "").await;
    next.finish();
}

#[tokio::test]
async fn with_redis_what_it_has_not_taken_goes_on() {
    let mut server = Server::start().await;
    let mut bus = Bus::on(&server);
    bus.expect(PATIENCE, "").await;
    server.kill();
    bus.until_connected(false).await;
    bus.raise("p99").await;
    bus.handle.mark(&app(), drain()).await.unwrap();
    let kept = bus.handle.kept().await.unwrap();
    bus.stop();
    let settings = settings(place(&server));
    let mut next = Bus::start(Some(settings), Options { kept: Some(kept), ..Options::default() });
    server.restart().await;
    next.expect(PATIENCE, "api=p99").await;
    next.until_marks("drain web1").await;
    server.client().await.until("coalmine:drain:app:web1", |value| value.starts_with('{')).await;
    next.finish();
}
