//! `coalmine serve`: the balancer.

use std::path::Path;

use anyhow::Context;

use crate::app::{App, Sockets};
use crate::shutdown::Signals;
use crate::{config, telemetry};

pub(super) fn run(path: &Path) -> anyhow::Result<()> {
    let settings = config::load(path)?;
    telemetry::init(&settings.log);
    let runtime = runtime()?;
    let outcome = runtime.block_on(async {
        let mut signals = Signals::install().context("signals can't be handled")?;
        let sockets = Sockets::bind(&settings)?;
        let drain = settings.listen.drain;
        let app = App::start(settings, sockets).await?;
        tracing::info!(version = env!("CARGO_PKG_VERSION"), "serving");

        let signal = signals.next().await;
        tracing::info!(signal, ?drain, "stopping: running requests may end");
        tokio::select! {
            () = app.stop() => tracing::info!("stopped"),
            signal = signals.next() => tracing::warn!(signal, "stopped at once"),
        }
        Ok(())
    });
    runtime.shutdown_background();
    outcome
}

/// The runtime of the calling thread: probes, name resolution and the admin listener.
pub(super) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("the runtime could not be made")
}
