//! Requests that wait learn that their backend has left the rotation.

use std::sync::Arc;

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::super::exchange::Exchange;
use super::super::worker::Worker;
use super::again;
use super::errand::Errand;
use crate::table::{Backend, TableReader};

/// Wakes the requests of one worker that wait, whenever a new table is in force; each then looks for itself.
/// Its lock is never contended: only the worker's own thread takes it.
#[derive(Debug, Default)]
pub(in crate::proxy) struct Waiting(Notify);

impl Waiting {
    /// Ends when nobody can publish any more. Cancel safe.
    pub(in crate::proxy) async fn watch(&self, table: TableReader) {
        let mut generations = table.generations();
        while generations.changed().await.is_ok() {
            self.0.notify_waiters();
        }
    }

    /// Ready when a table is published after this call, whenever it is polled first: who looks at the table first,
    /// calls this, and does not pause in between misses none. Costs nothing until it is polled.
    pub(super) fn changed(&self) -> Notified<'_> {
        self.0.notified()
    }
}

/// Waits until the backend of a request of which nothing is written leaves the rotation; gives another. Cancel safe.
pub(super) async fn left(worker: &Worker, exchange: &Exchange, errand: &mut Errand) -> Arc<Backend> {
    loop {
        let changed = worker.waiting.changed();
        if let Some(other) = worker.table.read(|table| again::rerouted(table, exchange, errand)) {
            return other;
        }
        changed.await;
    }
}
