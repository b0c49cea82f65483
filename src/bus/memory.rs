//! The embedded store: alerts of the admin API, kept in this process.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::alerts::{Alerts, Watched};
use super::command::Commands;
use super::desk::Desk;
use crate::metrics::BusMetrics;
use crate::model::AlertReading;

/// How often the exported age is set to zero: this store is never away.
const REFRESH: Duration = Duration::from_secs(1);

/// Serves commands until `shutdown`. Old keys do not exist here. `readings` gets one reading per service at once and
/// one at each change after.
pub async fn memory(
    mut watched: Vec<Watched>,
    commands: Commands,
    readings: mpsc::Sender<AlertReading>,
    metrics: BusMetrics,
    shutdown: CancellationToken,
) {
    watched.iter_mut().for_each(|watched| watched.keys.compat.clear());
    let (_no_compat, compat) = mpsc::channel(1);
    let mut desk = Desk::new(Alerts::new(watched), commands, readings, compat, shutdown);
    desk.alerts.store_was_read(Instant::now());
    loop {
        metrics.read();
        if desk.until_unsent(tokio::time::sleep(REFRESH)).await.is_err() {
            return;
        }
        for write in desk.alerts.unsent() {
            desk.alerts.settle(&write, Instant::now());
        }
    }
}
