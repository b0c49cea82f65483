//! `coalmine serve`: the balancer.

use std::path::Path;

use anyhow::Context;

use crate::{app, config, telemetry};

pub(super) fn run(path: &Path) -> anyhow::Result<()> {
    let settings = config::load(path)?;
    telemetry::init(&settings.log);
    let runtime = runtime()?;
    let outcome = runtime.block_on(app::live(path, settings));
    runtime.shutdown_background();
    outcome
}

/// The runtime of the calling thread: probes, name resolution and the admin listener.
pub(super) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("the runtime could not be made")
}
