//! The task that takes notices, keeps them, and sends them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::{Duration, SystemTime};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;

use super::entry::{Entry, Place, bounded, new_id, since_1970};
use super::errand::{Errand, Errands, lock};
use super::line::{Again, Due, Line, Settled, millis};
use super::outbox::{Memory, Outbox};
use super::{FAREWELL, Outcome, backoff, mail, text, webhook};
use crate::metrics::NotifyMetrics;
use crate::model::{MailSettings, Notice, NotifySettings, Way, WebhookSettings};

/// Notices that may wait for one place: one that takes nothing leaves the others their room.
const MOST: usize = 1000;
/// The longest sleep: the clock may have been set.
const NAP: Duration = Duration::from_secs(60);

/// What an attempt came to, and of which line.
type Attempt = Pin<Box<dyn Future<Output = (usize, Outcome)> + Send>>;

struct Desk {
    settings: NotifySettings,
    metrics: NotifyMetrics,
    errands: Errands,
    outbox: Outbox,
    memory: Memory,
    /// The first is that of the mails.
    lines: Vec<Line>,
    /// By URL.
    hooks: BTreeMap<String, WebhookSettings>,
    sending: FuturesUnordered<Attempt>,
}

pub(super) async fn run(
    settings: NotifySettings,
    metrics: NotifyMetrics,
    errands: Errands,
    shutdown: CancellationToken,
) {
    let Some(outbox) = shutdown.run_until_cancelled(outbox(settings.outbox.as_ref())).await else {
        return;
    };
    let mut desk = Desk::new(settings, metrics, errands, outbox);
    desk.serve(&shutdown).await;
    desk.close().await;
}

async fn outbox(path: Option<&PathBuf>) -> Outbox {
    let Some(path) = path else { return Outbox::in_memory() };
    match Outbox::open(path).await {
        Ok(outbox) => outbox,
        Err(error) => {
            tracing::error!(outbox = %path.display(), %error, "the outbox can't be used: notices wait in memory");
            Outbox::in_memory()
        }
    }
}

impl Desk {
    fn new(settings: NotifySettings, metrics: NotifyMetrics, errands: Errands, mut outbox: Outbox) -> Self {
        let (memory, entries) = outbox.load();
        if outbox.survives() {
            lock(&errands.standing).clone_from(&memory.standing);
        }
        let hooks = settings.webhooks.iter().map(|hook| (hook.url.clone(), hook.clone())).collect();
        let mut desk = Self {
            settings,
            metrics,
            errands,
            outbox,
            memory,
            lines: vec![Line::new(Place::Mail)],
            hooks,
            sending: FuturesUnordered::new(),
        };
        let now = now();
        let (fresh, stale): (Vec<_>, Vec<_>) = entries.into_iter().partition(|(_, entry)| {
            entry.to == Place::Mail || now.saturating_sub(entry.at) < millis(backoff::LIFETIME)
        });
        for (_, entry) in &stale {
            tracing::error!(to = entry.to.name(), topic = %entry.notice.topic, "given up after a day");
            desk.metrics.dropped(entry.to.way());
        }
        desk.outbox.remove(stale.iter().map(|(name, _)| name.as_str()));
        for (name, entry) in fresh {
            let line = desk.line(&entry.to);
            desk.lines[line].push(name, entry);
        }
        desk.show();
        desk
    }

    async fn serve(&mut self, shutdown: &CancellationToken) {
        loop {
            let wake = self.dispatch();
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                Some((line, outcome)) = self.sending.next() => self.settle(line, outcome),
                Some(errand) = self.errands.receiver.recv() => self.take(errand),
                () = sleep(wake) => {}
            }
        }
    }

    /// Takes what was handed over before the stop, and waits for what is being sent. What waits in memory alone has its
    /// last chance.
    async fn close(mut self) {
        self.errands.receiver.close();
        while let Ok(errand) = self.errands.receiver.try_recv() {
            self.take(errand);
        }
        let end = Instant::now() + FAREWELL;
        if !self.outbox.survives() {
            self.settings.group = Duration::ZERO;
            self.lines.iter_mut().for_each(Line::hurry);
        }
        loop {
            if !self.outbox.survives() {
                self.dispatch();
            }
            let Ok(Some((line, outcome))) = timeout_at(end, self.sending.next()).await else { break };
            self.settle(line, outcome);
        }
        let waiting: usize = self.lines.iter().map(Line::len).sum();
        match (waiting, self.outbox.survives()) {
            (0, _) => {}
            (_, true) => tracing::info!(waiting, "notices wait in the outbox for the next process"),
            (_, false) => tracing::error!(waiting, "notices are lost with this process: there is no outbox"),
        }
    }

    fn take(&mut self, errand: Errand) {
        match errand {
            Errand::Tell { notice, ways } => self.tell(bounded(notice), &ways),
            Errand::Call { hook, key, notice } => {
                let place = Place::Webhook(hook.url.clone());
                self.hooks.insert(hook.url.clone(), hook);
                let line = self.line(&place);
                if !self.lines[line].has(&key) {
                    self.keep(key, place, bounded(notice));
                }
            }
            Errand::Learn(hooks) => self.hooks.extend(hooks.into_iter().map(|hook| (hook.url.clone(), hook))),
        }
        self.show();
    }

    fn tell(&mut self, notice: Notice, ways: &[Way]) {
        {
            let mut standing = lock(&self.errands.standing);
            if !standing.hear(&notice, now()) {
                return;
            }
            self.memory.standing.clone_from(&standing);
        }
        if ways.contains(&Way::Mail) && self.settings.mail.is_some() {
            self.keep(new_id(), Place::Mail, notice.clone());
        }
        if ways.contains(&Way::Webhook) {
            let wants = |hook: &&WebhookSettings| {
                hook.events.is_empty() || hook.events.iter().any(|event| **event == *notice.event)
            };
            let urls: Vec<_> = self.settings.webhooks.iter().filter(wants).map(|hook| hook.url.clone()).collect();
            for url in urls {
                self.keep(new_id(), Place::Webhook(url), notice.clone());
            }
        }
        // Last: after a crash in between it is told twice rather than not at all.
        self.outbox.remember(&self.memory);
    }

    fn keep(&mut self, id: String, to: Place, notice: Notice) {
        let line = self.line(&to);
        if !self.lines[line].has_room(MOST) {
            self.metrics.dropped(to.way());
            self.memory.lost += usize::from(to == Place::Mail);
            return;
        }
        let entry = Entry { id, to, at: now(), notice };
        let name = self.outbox.put(&entry);
        self.lines[line].push(name, entry);
    }

    /// The place of the line in front of `place`.
    fn line(&mut self, place: &Place) -> usize {
        self.lines.iter().position(|line| line.place == *place).unwrap_or_else(|| {
            self.lines.push(Line::new(place.clone()));
            self.lines.len() - 1
        })
    }

    /// Begins every attempt that is due. Gives how long nothing else is.
    fn dispatch(&mut self) -> Duration {
        let now = now();
        let free = self.memory.mails.free_at(self.settings.hourly, now);
        let mut wake = NAP;
        for index in 0..self.lines.len() {
            match self.lines[index].due(self.settings.group, free, now) {
                Due::Nothing => {}
                Due::At(at) => wake = wake.min(Duration::from_millis(at.saturating_sub(now))),
                Due::Now(count) => self.begin(index, count),
            }
        }
        wake
    }

    /// Does nothing while there is nobody to send to: what a process before this one has left waits until it is known.
    fn begin(&mut self, index: usize, count: usize) {
        let ca_file = self.settings.ca_file.clone();
        let attempt: Attempt = match (&self.lines[index].place, &self.settings.mail) {
            (Place::Mail, Some(mail)) => {
                let (mail, lost) = (mail.clone(), self.memory.lost);
                let entries = self.lines[index].begin(count);
                Box::pin(async move { (index, write(&mail, ca_file, &entries, lost).await) })
            }
            (Place::Mail, None) => return,
            (Place::Webhook(url), _) => {
                let Some(hook) = self.hooks.get(url).cloned() else { return };
                let Some(entry) = self.lines[index].begin(count).into_iter().next() else { return };
                let post = async move { webhook::post(&hook, ca_file.as_deref(), &entry.id, &entry.notice).await };
                Box::pin(async move { (index, post.await) })
            }
        };
        self.sending.push(attempt);
    }

    fn settle(&mut self, index: usize, outcome: Outcome) {
        let (now, sent) = (now(), outcome == Outcome::Sent);
        let line = &mut self.lines[index];
        let Settled { done, given_up, again } = line.end(outcome, fastrand::f64(), now);
        let (way, to) = (line.place.way(), line.place.name());
        if let Some(Again { reason, pause, first }) = again {
            self.metrics.retried(way);
            if first {
                tracing::warn!(to, reason, waiting = line.len(), "notices can't be sent: trying until they can");
            } else {
                tracing::debug!(to, reason, ?pause, waiting = line.len(), "notices can't be sent yet");
            }
        }
        if let Some(reason) = given_up {
            let topics: Vec<_> = done.iter().map(|waiting| &*waiting.entry.notice.topic).collect();
            tracing::error!(to, reason, ?topics, "notices are given up");
            done.iter().for_each(|_| self.metrics.dropped(way));
        } else if sent {
            tracing::info!(to, notices = done.len(), "notices sent");
            done.iter().for_each(|_| self.metrics.sent(way));
        }
        if sent && way == Way::Mail {
            self.memory.mails.count(now);
            self.memory.lost = 0;
            // First: after a crash in between it is sent again by the same id, rather than one too many an hour.
            self.outbox.remember(&self.memory);
        }
        self.outbox.remove(done.iter().map(|waiting| waiting.name.as_str()));
        self.show();
    }

    fn show(&self) {
        for way in Way::ALL {
            let waiting = self.lines.iter().filter(|line| line.place.way() == way).map(Line::len).sum();
            self.metrics.pending(way, waiting);
        }
    }
}

async fn write(mail: &MailSettings, ca_file: Option<PathBuf>, entries: &[Entry], lost: usize) -> Outcome {
    let notices: Vec<&Notice> = entries.iter().map(|entry| &entry.notice).collect();
    let id = entries.first().map_or("", |entry| entry.id.as_str());
    mail::send(mail, ca_file.as_deref(), &text::compose(&notices, lost, id)).await
}

/// In milliseconds since 1970.
fn now() -> u64 {
    since_1970(SystemTime::now())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;
    use crate::model::{MailTls, NoticeKind};
    use crate::notify::Standing;
    use crate::notify::entry::specimen;
    use crate::notify::errand::channel;

    /// A mail server that nobody answers for.
    fn settings(outbox: Option<PathBuf>) -> NotifySettings {
        let mail = MailSettings {
            host: "192.0.2.1".to_owned(),
            port: 25,
            tls: MailTls::Off,
            username: None,
            password: None,
            from: "a@b.test".to_owned(),
            to: vec!["c@d.test".to_owned()],
            timeout: Duration::from_secs(10),
        };
        NotifySettings {
            outbox,
            group: Duration::from_secs(5),
            hourly: 20,
            ways: Way::ALL.to_vec(),
            ca_file: None,
            mail: Some(mail),
            webhooks: Vec::new(),
        }
    }

    #[test]
    fn a_url_that_takes_nothing_leaves_the_mails_their_room() {
        let mut settings = settings(None);
        let (url, secret, events) = ("http://192.0.2.1/".to_owned(), None, Vec::new());
        settings.webhooks.push(WebhookSettings { url, secret, events, timeout: Duration::from_secs(1) });
        let (_notifier, errands) = channel(&settings, Metrics::new().notify, Standing::default());
        let mut desk = Desk::new(settings, Metrics::new().notify, errands, Outbox::in_memory());
        for _ in 0..=MOST {
            desk.tell(specimen("a", NoticeKind::Info), &[Way::Webhook]);
        }
        desk.tell(specimen("b", NoticeKind::Info), &Way::ALL);
        assert_eq!(desk.lines.iter().map(Line::len).collect::<Vec<_>>(), [1, MOST]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_nothing_to_send_ends_at_once() {
        let directory = tempfile::tempdir().unwrap();
        for outbox in [None, Some(directory.path().to_owned())] {
            let (settings, metrics) = (settings(outbox), Metrics::new().notify);
            let (_notifier, errands) = channel(&settings, metrics.clone(), Standing::default());
            let (start, shutdown) = (Instant::now(), CancellationToken::new());
            shutdown.cancel();
            run(settings, metrics, errands, shutdown).await;
            assert_eq!(start.elapsed(), Duration::ZERO);
        }
    }
}
