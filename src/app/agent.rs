//! The life of the agent of a host.

use std::pin::pin;

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use super::courier::Courier;
use super::systemd;
use crate::control::Heartbeat;
use crate::metrics::Metrics;
use crate::model::MonitorSettings;
use crate::monitor::Agent;
use crate::notify::Standing;
use crate::shutdown::Signals;

/// Watches this host until a signal ends it. Alerts that stand are left standing.
///
/// # Errors
/// What was missing at the start.
pub async fn watch_host(settings: MonitorSettings) -> anyhow::Result<()> {
    let mut signals = Signals::install().context("signals can't be handled")?;
    let (shutdown, heartbeat) = (CancellationToken::new(), Heartbeat::default());
    let metrics = Metrics::new().notify;
    let courier = Courier::start(settings.notify.clone(), Standing::default(), metrics)?;
    tokio::spawn(systemd::watchdog(heartbeat.clone()));
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        host = settings.host,
        rules = settings.rules.len(),
        checks = settings.checks.len(),
        "watching"
    );
    let mut agent = pin!(Agent::run(settings, courier.notifier.clone(), heartbeat, shutdown.clone()));
    systemd::ready();
    tokio::select! {
        () = &mut agent => {}
        signal = signals.next() => {
            tracing::info!(signal, "stopping: what stands is left standing");
            systemd::stopping();
            shutdown.cancel();
            agent.await;
        }
    }
    courier.end().await;
    systemd::heard().await;
    tracing::info!("stopped");
    Ok(())
}
