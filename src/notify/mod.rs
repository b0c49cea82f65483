//! Tells people by mail and other programs by signed webhooks.
//!
//! Whoever has something to tell hands a [`Notice`] to a [`Notifier`], which never waits. One task ([`start`]) does the
//! rest:
//!
//! - `standing` (pure): what was told and is not over, so that nothing is told twice.
//! - `line` (pure): what waits for one mail server or URL, and when its next attempt is due. `backoff` and `rate`: how
//!   long after a failure, and how many mails an hour.
//! - `text` (pure): what a mail says. `sign` (pure): how a request is signed.
//! - `outbox`: where notices wait, in a directory or in memory. `entry`: one that waits.
//! - `desk`: the task. `errand`: how it is spoken to. `mail` and `webhook`: one attempt; `trust`: whom TLS trusts.
//!
//! A notice is sent once, but when the answer to it is lost, or around a crash: one whose sending had begun and was not
//! noted as done is sent again, by the same `Message-ID` or `Idempotency-Key`.

mod backoff;
mod desk;
mod entry;
mod errand;
mod line;
mod mail;
mod outbox;
mod rate;
mod sign;
mod standing;
mod text;
mod trust;
mod webhook;

use std::time::{Duration, SystemTime};

use tokio_util::sync::CancellationToken;

use crate::metrics::NotifyMetrics;
use crate::model::{Notice, NoticeKind, NotifySettings, Severity, Way};

pub use errand::Notifier;
pub use standing::Standing;

/// How long what is being sent may take after a stop was asked for, and what waits in memory alone as well.
pub const FAREWELL: Duration = Duration::from_secs(10);

/// A notifier, and the task behind it, which ends after `shutdown`. It may block for moments on the disk of the outbox:
/// it wants a thread of its own where that matters. `standing`: what a process before this one had told and was not
/// over; an outbox knows that itself.
///
/// From `shutdown` on nothing is taken any more. What waits in a directory stays there for the next process; what waits
/// in memory has some seconds to go.
pub fn start(
    settings: NotifySettings,
    standing: Standing,
    metrics: NotifyMetrics,
    shutdown: CancellationToken,
) -> (Notifier, impl Future<Output = ()> + Send + 'static) {
    let (notifier, errands) = errand::channel(&settings, metrics.clone(), standing);
    (notifier, desk::run(settings, metrics, errands, shutdown))
}

/// Sends one notice of a test over every way that is configured, without an outbox. Gives what each is called and how
/// it went; an error is the server's own words where it had some.
pub async fn test(settings: &NotifySettings, source: &str) -> Vec<(String, Result<(), String>)> {
    let notice = Notice {
        topic: "test".into(),
        kind: NoticeKind::Info,
        severity: Severity::Info,
        source: source.into(),
        service: None,
        event: "test".into(),
        summary: "this is a test: notices of coalmine arrive here".into(),
        details: Vec::new(),
        at: SystemTime::now(),
    };
    let (ca_file, id) = (settings.ca_file.as_deref(), entry::new_id());
    let mut outcomes = Vec::new();
    if let Some(mail) = &settings.mail {
        let outcome = mail::send(mail, ca_file, &text::compose(&[&notice], 0, &id)).await;
        outcomes.push((format!("mail by {}:{}", mail.host, mail.port), outcome.told()));
    }
    for hook in &settings.webhooks {
        let outcome = webhook::post(hook, ca_file, &id, &notice).await;
        outcomes.push((format!("{} {}", Way::Webhook.as_str(), hook.url), outcome.told()));
    }
    outcomes
}

/// Whether `text` is an address of mail, with or without a name.
pub fn is_mailbox(text: &str) -> bool {
    text.parse::<lettre::message::Mailbox>().is_ok()
}

/// How an attempt to send ended.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Sent,
    /// Not now, for this reason.
    Later(String),
    /// Never: it is no use to try again.
    Never(String),
}

impl Outcome {
    fn told(self) -> Result<(), String> {
        match self {
            Self::Sent => Ok(()),
            Self::Later(reason) | Self::Never(reason) => Err(reason),
        }
    }
}
