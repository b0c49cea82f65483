//! The control thread: the alert bus and the controller.

use std::thread::JoinHandle;

use anyhow::Context;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::bus::{self, Company, Watched, Wiring};
use crate::control::{Controller, Inputs};
use crate::model::{RedisSettings, Secret, ServiceSpec, Settings};

/// The alert bus, and what it is started with.
pub(super) struct Bus {
    /// `None`: alerts and marks live in memory.
    pub(super) redis: Option<RedisSettings>,
    pub(super) wiring: Wiring,
    pub(super) company: Company,
}

impl Bus {
    async fn run(self) {
        let Self { redis, wiring, company } = self;
        match redis {
            Some(redis) => bus::redis(redis, wiring, company).await,
            None => bus::memory(wiring).await,
        }
    }
}

/// Runs both until they are shut down, on a thread and a runtime of their own, so that a busy machine
/// delays an alert as little as possible.
///
/// # Errors
/// The thread or its runtime could not be made.
pub(super) fn start(
    bus: Bus,
    controller: Controller,
    inputs: Inputs,
    shutdown: CancellationToken,
) -> anyhow::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("the control runtime could not be made")?;
    let all = async move { tokio::join!(bus.run(), controller.run(inputs, shutdown)) };
    let thread = std::thread::Builder::new().name("control".to_owned()).spawn(move || {
        runtime.block_on(all);
        runtime.shutdown_background();
    });
    thread.context("the control thread could not be started")
}

/// Where the bus tells the shared signing key, and where the controller hears it. It is told nowhere where the
/// configuration has a key or there is no Redis to share it.
pub(super) fn shared_key(
    settings: &Settings,
) -> (Option<watch::Sender<Option<Secret>>>, watch::Receiver<Option<Secret>>) {
    let (told, heard) = watch::channel(None);
    let shared = settings.redis.is_some() && settings.affinity.key.is_none();
    (shared.then_some(told), heard)
}

/// The alert keys of every service.
pub(super) fn watched(services: &[ServiceSpec]) -> Vec<Watched> {
    services.iter().map(|service| Watched { service: service.name.clone(), keys: service.alert.clone() }).collect()
}
