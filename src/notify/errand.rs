//! How the task behind a [`Notifier`] is spoken to.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

use super::standing::Standing;
use crate::metrics::NotifyMetrics;
use crate::model::{Notice, NotifySettings, Way, WebhookSettings};

/// Errands that may wait for the task.
const QUEUE: usize = 1024;

/// Characters of a key, which is a part of the name of a file.
const LONGEST_KEY: usize = 128;

/// The way to whoever is told. Cheap to clone; never waits and never fails: what there is no room for is counted.
#[derive(Clone)]
pub struct Notifier(Option<Arc<Inner>>);

struct Inner {
    errands: mpsc::Sender<Errand>,
    /// The ways that lead anywhere.
    configured: BTreeSet<Way>,
    metrics: NotifyMetrics,
    standing: Arc<Mutex<Standing>>,
    muted: AtomicBool,
    /// The last errand found no room.
    full: AtomicBool,
}

pub(super) enum Errand {
    Tell { notice: Notice, ways: Arc<[Way]> },
    Call { hook: WebhookSettings, key: String, notice: Notice },
    Learn(Vec<WebhookSettings>),
}

/// The task's end.
pub(super) struct Errands {
    pub(super) receiver: mpsc::Receiver<Errand>,
    pub(super) standing: Arc<Mutex<Standing>>,
}

pub(super) fn channel(settings: &NotifySettings, metrics: NotifyMetrics, standing: Standing) -> (Notifier, Errands) {
    let (errands, receiver) = mpsc::channel(QUEUE);
    let mail = settings.mail.is_some().then_some(Way::Mail);
    let webhook = (!settings.webhooks.is_empty()).then_some(Way::Webhook);
    let standing = Arc::new(Mutex::new(standing));
    let inner = Inner {
        errands,
        configured: mail.into_iter().chain(webhook).collect(),
        metrics,
        standing: standing.clone(),
        muted: AtomicBool::new(false),
        full: AtomicBool::new(false),
    };
    (Notifier(Some(Arc::new(inner))), Errands { receiver, standing })
}

impl Notifier {
    /// Tells nobody.
    pub fn silent() -> Self {
        Self(None)
    }

    /// Hands over a notice that is to go these ways, of which those that are not configured are left out. What is no
    /// news goes nowhere: the same matter with the same event and severity, or the end of what nobody was told of.
    pub fn tell(&self, notice: Notice, ways: &[Way]) {
        let Some(inner) = &self.0 else { return };
        let ways: Arc<[Way]> = ways.iter().copied().filter(|way| inner.configured.contains(way)).collect();
        if !ways.is_empty() {
            inner.send(Errand::Tell { notice, ways: ways.clone() }, &ways);
        }
    }

    /// Hands over a notice that goes to this one URL, unless one with this key waits for it already. `key` is its
    /// `Idempotency-Key`, of which letters, digits and `-` are used.
    pub fn call(&self, hook: &WebhookSettings, key: &str, notice: Notice) {
        if let Some(inner) = &self.0 {
            let key = key.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(LONGEST_KEY).collect();
            inner.send(Errand::Call { hook: hook.clone(), key, notice }, &[Way::Webhook]);
        }
    }

    /// Makes hooks known that are [called](Self::call): what a process before this one has left for one is sent then.
    pub fn learn(&self, hooks: Vec<WebhookSettings>) {
        if let Some(inner) = self.0.as_ref().filter(|_| !hooks.is_empty()) {
            inner.send(Errand::Learn(hooks), &[]);
        }
    }

    /// From here on tells nobody, or tells again: for a process that does not serve yet, and hears what the one that
    /// serves tells.
    pub fn mute(&self, muted: bool) {
        if let Some(inner) = &self.0 {
            inner.muted.store(muted, Ordering::Relaxed);
        }
    }

    /// What was told and is not over, for the process after this one.
    pub fn standing(&self) -> Standing {
        self.0.as_ref().map(|inner| lock(&inner.standing).clone()).unwrap_or_default()
    }
}

impl Inner {
    fn send(&self, errand: Errand, ways: &[Way]) {
        if self.muted.load(Ordering::Relaxed) && !matches!(errand, Errand::Learn(_)) {
            return;
        }
        match self.errands.try_send(errand) {
            Ok(()) => self.full.store(false, Ordering::Relaxed),
            // This process ends, and another one tells.
            Err(mpsc::error::TrySendError::Closed(_)) => {}
            Err(mpsc::error::TrySendError::Full(_)) => {
                ways.iter().for_each(|way| self.metrics.dropped(*way));
                if !self.full.swap(true, Ordering::Relaxed) {
                    tracing::error!("too many notices at a time: some are lost");
                }
            }
        }
    }
}

impl fmt::Debug for Notifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Notifier" } else { "Notifier(silent)" })
    }
}

pub(super) fn lock(standing: &Mutex<Standing>) -> MutexGuard<'_, Standing> {
    standing.lock().unwrap_or_else(PoisonError::into_inner)
}
