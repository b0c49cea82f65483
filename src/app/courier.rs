//! The thread on which notices are sent.

use std::thread::JoinHandle;

use anyhow::Context;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::GRACE;
use crate::metrics::NotifyMetrics;
use crate::model::NotifySettings;
use crate::notify::{self, Notifier, Standing};

/// Sends what its notifier is told. It has a thread of its own, because it waits for disks.
pub(super) struct Courier {
    pub(super) notifier: Notifier,
    silence: CancellationToken,
    thread: JoinHandle<()>,
}

impl Courier {
    /// `standing`: what a process before this one had told.
    ///
    /// # Errors
    /// The thread or its runtime could not be made.
    pub(super) fn start(settings: NotifySettings, standing: Standing, metrics: NotifyMetrics) -> anyhow::Result<Self> {
        let silence = CancellationToken::new();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context("the runtime of notices could not be made")?;
        let (notifier, sending) = notify::start(settings, standing, metrics, silence.clone());
        let thread = std::thread::Builder::new().name("notify".to_owned()).spawn(move || {
            runtime.block_on(sending);
            runtime.shutdown_background();
        });
        let thread = thread.context("the thread of notices could not be started")?;
        Ok(Self { notifier, silence, thread })
    }

    /// Takes no more notices.
    pub(super) fn silence(&self) {
        self.silence.cancel();
    }

    /// Waits until what was being sent has ended, or has had its time.
    pub(super) async fn end(self) {
        self.silence();
        let patience = notify::FAREWELL + GRACE;
        match timeout(patience, tokio::task::spawn_blocking(move || self.thread.join())).await {
            Ok(Ok(Ok(()))) => {}
            Ok(_) => tracing::error!("the thread of notices panicked"),
            Err(_) => tracing::error!(?patience, "the thread of notices does not end: leaving it"),
        }
    }
}
