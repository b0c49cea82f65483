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

#[tokio::test]
async fn the_marks_of_every_service_are_told_before_the_first_alert() {
    const MANY: usize = 300;
    let (handle, commands) = channel();
    let (sender, mut readings) = mpsc::channel(MANY);
    let (mark_sender, mut marks) = mpsc::channel(MANY);
    let shutdown = CancellationToken::new();
    let wiring = Wiring {
        watched: (0..MANY).map(|number| watched(&format!("app{number}"), vec![])).collect(),
        commands,
        readings: sender,
        marks: mark_sender,
        metrics: Metrics::new().bus,
        life: Metrics::new().life,
        kept: None,
        shutdown: shutdown.clone(),
    };
    let bus = tokio::spawn(crate::bus::memory(wiring));
    timeout(PATIENCE, readings.recv()).await.unwrap().unwrap();
    let told = std::iter::from_fn(|| marks.try_recv().ok()).count();
    assert_eq!(told, MANY);
    shutdown.cancel();
    bus.await.unwrap();
    drop(handle);
}
