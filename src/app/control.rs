//! The control thread: the alert bus and the controller.

use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::bus::{self, Commands, Watched};
use crate::control::{Announcements, Controller, Inputs};
use crate::metrics::{BusMetrics, Heartbeat};
use crate::model::{AlertReading, MarkReading, RedisSettings, ServiceSpec};

/// Between two signs of life of the control thread.
const BEAT: Duration = Duration::from_millis(250);

/// What the alert bus is started with.
pub(super) struct Bus {
    /// `None`: alerts live in memory.
    pub(super) redis: Option<RedisSettings>,
    pub(super) watched: Vec<Watched>,
    pub(super) commands: Commands,
    pub(super) readings: mpsc::Sender<AlertReading>,
    pub(super) marks: mpsc::Sender<MarkReading>,
    pub(super) announcements: watch::Receiver<Announcements>,
    /// This balancer's, among others on the same Redis.
    pub(super) name: String,
    pub(super) metrics: BusMetrics,
}

impl Bus {
    async fn run(self, shutdown: CancellationToken) {
        let Self {
            redis,
            watched,
            commands,
            readings,
            marks: _marks,
            announcements: _announcements,
            name: _name,
            metrics,
        } = self;
        match redis {
            Some(redis) => bus::redis(redis, watched, commands, readings, metrics, shutdown).await,
            None => bus::memory(watched, commands, readings, metrics, shutdown).await,
        }
    }
}

/// Runs both, and a heartbeat, until `shutdown` on a thread and a runtime of their own, so that a busy machine delays an alert as little
/// as possible.
///
/// # Errors
/// The thread or its runtime could not be made.
pub(super) fn start(
    bus: Bus,
    controller: Controller,
    inputs: Inputs,
    heartbeat: Heartbeat,
    shutdown: CancellationToken,
) -> anyhow::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("the control runtime could not be made")?;
    let alive = shutdown.clone().run_until_cancelled_owned(beat(heartbeat));
    let all = async move { tokio::join!(alive, bus.run(shutdown.clone()), controller.run(inputs, shutdown)) };
    let thread = std::thread::Builder::new().name("control".to_owned()).spawn(move || {
        runtime.block_on(all);
        runtime.shutdown_background();
    });
    thread.context("the control thread could not be started")
}

/// Shows for as long as the thread gets to its tasks.
async fn beat(heartbeat: Heartbeat) {
    let mut turns = tokio::time::interval(BEAT);
    loop {
        turns.tick().await;
        heartbeat.beat();
    }
}

/// The alert keys of every service.
pub(super) fn watched(services: &[ServiceSpec]) -> Vec<Watched> {
    services.iter().map(|service| Watched { service: service.name.clone(), keys: service.alert.clone() }).collect()
}
