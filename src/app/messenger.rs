//! The thread that tells people and programs, and what it is told of the process itself.

use std::thread::JoinHandle;
use std::time::SystemTime;

use anyhow::Context;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::GRACE;
use crate::control::{FleetStatus, Herald};
use crate::metrics::NotifyMetrics;
use crate::model::{Notice, NoticeKind, Settings, Severity};
use crate::notify::{self, Standing};

/// Tells in the name of this balancer. It has a thread of its own, because it waits for disks.
pub(super) struct Messenger {
    pub(super) herald: Herald,
    silence: CancellationToken,
    thread: JoinHandle<()>,
}

impl Messenger {
    /// `standing`: what a process before this one had told. A `successor` tells nothing before it has
    /// [taken over](Self::take_over).
    ///
    /// # Errors
    /// The thread or its runtime could not be made.
    pub(super) fn start(
        settings: &Settings,
        standing: Standing,
        successor: bool,
        metrics: NotifyMetrics,
    ) -> anyhow::Result<Self> {
        let silence = CancellationToken::new();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context("the runtime of notices could not be made")?;
        let (notifier, sending) = notify::start(settings.notify.clone(), standing, metrics, silence.clone());
        notifier.mute(successor);
        let thread = std::thread::Builder::new().name("notify".to_owned()).spawn(move || {
            runtime.block_on(sending);
            runtime.shutdown_background();
        });
        let thread = thread.context("the thread of notices could not be started")?;
        let source = settings.balancer.name.as_str().into();
        let herald = Herald { notifier, source, ways: settings.notify.ways.as_slice().into() };
        Ok(Self { herald, silence, thread })
    }

    /// From here on this process is the one that tells, beginning with what has ended.
    pub(super) fn take_over(&self, status: &FleetStatus) {
        self.herald.notifier.mute(false);
        self.herald.take_over(status);
    }

    /// A configuration was refused, or an upgrade: this `event`, for this reason.
    pub(super) fn refused(&self, event: &str, summary: &str, reason: &str) {
        let source = self.herald.source.clone();
        self.herald.tell(Notice {
            topic: format!("balancer:{source}").into(),
            kind: NoticeKind::Info,
            severity: Severity::Warning,
            source,
            service: None,
            event: event.into(),
            summary: summary.into(),
            details: vec![("reason".into(), reason.into())],
            at: SystemTime::now(),
        });
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
