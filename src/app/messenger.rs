//! The balancer's voice, and what it says of the process itself.

use std::time::SystemTime;

use super::courier::Courier;
use crate::control::{FleetStatus, Herald};
use crate::metrics::NotifyMetrics;
use crate::model::{Notice, NoticeKind, Settings, Severity};
use crate::notify::Standing;

/// Tells in the name of this balancer.
pub(super) struct Messenger {
    pub(super) herald: Herald,
    courier: Courier,
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
        let courier = Courier::start(settings.notify.clone(), standing, metrics)?;
        let notifier = courier.notifier.clone();
        notifier.mute(successor);
        let source = settings.balancer.name.as_str().into();
        let herald = Herald { notifier, source, ways: settings.notify.ways.as_slice().into() };
        Ok(Self { herald, courier })
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
        self.courier.silence();
    }

    /// Waits until what was being sent has ended, or has had its time.
    pub(super) async fn end(self) {
        self.courier.end().await;
    }
}
