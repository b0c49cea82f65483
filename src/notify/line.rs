//! What waits for one place, in its order, and when something of it goes.

use std::collections::VecDeque;
use std::time::Duration;

use super::Outcome;
use super::backoff::{LIFETIME, pause};
use super::entry::{Entry, Place};

/// The queue before one mail server or one URL. At most one attempt is on its way at a time.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) place: Place,
    pending: VecDeque<Waiting>,
    /// How many of them the last attempt had: all its repetitions have the same ones. 0: there was none.
    batch: usize,
    /// In a row.
    failures: u32,
    /// No attempt before this.
    rested: u64,
    sending: bool,
    /// The last notice found no room.
    full: bool,
}

/// A notice that waits, and the name that the outbox knows it by.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) name: String,
    pub(super) entry: Entry,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing to do until something comes or ends.
    Nothing,
    /// At that time, in milliseconds since 1970.
    At(u64),
    /// The first of those that wait go together.
    Now(usize),
}

/// What an end of an attempt leads to.
#[derive(Debug, Default)]
pub(super) struct Settled {
    /// These are done with: sent, or given up for the reason.
    pub(super) done: Vec<Waiting>,
    pub(super) given_up: Option<String>,
    /// It will be tried again.
    pub(super) again: Option<Again>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Again {
    pub(super) reason: String,
    pub(super) pause: Duration,
    /// The attempt before this one went well.
    pub(super) first: bool,
}

impl Line {
    pub(super) fn new(place: Place) -> Self {
        Self { place, pending: VecDeque::new(), batch: 0, failures: 0, rested: 0, sending: false, full: false }
    }

    pub(super) fn len(&self) -> usize {
        self.pending.len()
    }

    /// Says once that no more than `most` may wait.
    pub(super) fn has_room(&mut self, most: usize) -> bool {
        let full = self.pending.len() >= most;
        if full && !self.full {
            tracing::error!(to = self.place.name(), waiting = most, "too many notices wait: further ones are lost");
        }
        self.full = full;
        !full
    }

    pub(super) fn has(&self, id: &str) -> bool {
        self.pending.iter().any(|waiting| waiting.entry.id == id)
    }

    pub(super) fn push(&mut self, name: String, entry: Entry) {
        self.pending.push_back(Waiting { name, entry });
    }

    /// `group`: how long the first of a mail waits for more. `free`: from when on the limit lets one more mail go.
    pub(super) fn due(&self, group: Duration, free: u64, now: u64) -> Due {
        let Some(first) = self.pending.front().filter(|_| !self.sending) else { return Due::Nothing };
        let (count, ready) = match self.place {
            Place::Webhook(_) => (1, 0),
            Place::Mail if self.batch > 0 => (self.batch, free),
            Place::Mail => {
                let group = millis(group);
                // Nothing waits longer than that, whatever the clock did.
                let full = first.entry.at.saturating_add(group).min(now.saturating_add(group));
                (self.pending.len(), full.max(free))
            }
        };
        let ready = ready.max(self.rested.min(now.saturating_add(millis(LIFETIME))));
        if ready <= now { Due::Now(count) } else { Due::At(ready) }
    }

    /// An attempt with the first `count` begins.
    pub(super) fn begin(&mut self, count: usize) -> Vec<Entry> {
        (self.sending, self.batch) = (true, count);
        self.pending.iter().take(count).map(|waiting| waiting.entry.clone()).collect()
    }

    /// That attempt has ended. A mail waits for its server for as long as it takes, a request for a day.
    pub(super) fn end(&mut self, outcome: Outcome, luck: f64, now: u64) -> Settled {
        self.sending = false;
        let reason = match outcome {
            Outcome::Sent => return Settled { done: self.take_batch(), ..Settled::default() },
            Outcome::Never(reason) => {
                return Settled { done: self.take_batch(), given_up: Some(reason), ..Settled::default() };
            }
            Outcome::Later(reason) => reason,
        };
        let waited = self.pending.front().map_or(0, |first| now.saturating_sub(first.entry.at));
        if self.place != Place::Mail && waited >= millis(LIFETIME) {
            let given_up = Some(format!("for a day: {reason}"));
            return Settled { done: self.take_batch(), given_up, ..Settled::default() };
        }
        self.failures = self.failures.saturating_add(1);
        let pause = pause(self.failures, luck);
        self.rested = now.saturating_add(millis(pause));
        Settled { again: Some(Again { reason, pause, first: self.failures == 1 }), ..Settled::default() }
    }

    /// No more waiting for company or for the end of a pause: this is the last chance.
    pub(super) fn hurry(&mut self) {
        self.rested = 0;
    }

    fn take_batch(&mut self) -> Vec<Waiting> {
        (self.failures, self.rested) = (0, 0);
        let count = std::mem::take(&mut self.batch).min(self.pending.len());
        self.pending.drain(..count).collect()
    }
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::NoticeKind;
    use crate::notify::entry::specimen;

    const GROUP: Duration = Duration::from_secs(5);

    fn line(place: Place, times: &[u64]) -> Line {
        let mut line = Line::new(place.clone());
        for at in times {
            let notice = specimen(&format!("t{at}"), NoticeKind::Firing);
            line.push(at.to_string(), Entry { id: at.to_string(), to: place.clone(), at: *at, notice });
        }
        line
    }

    fn hook(times: &[u64]) -> Line {
        line(Place::Webhook("http://a".to_owned()), times)
    }

    #[test]
    fn a_mail_waits_for_company_and_for_the_limit() {
        let mail = line(Place::Mail, &[1000, 3000]);
        assert_eq!(mail.due(GROUP, 0, 5999), Due::At(6000));
        assert_eq!(mail.due(GROUP, 0, 6000), Due::Now(2));
        assert_eq!(mail.due(GROUP, 9000, 6000), Due::At(9000));
        assert_eq!(mail.due(GROUP, 0, 0), Due::At(5000), "a clock that was set back holds nothing for long");
        assert_eq!(line(Place::Mail, &[]).due(GROUP, 0, 0), Due::Nothing);
    }

    #[test]
    fn a_mail_that_failed_goes_again_as_it_was_and_what_came_since_goes_after_it() {
        let mut mail = line(Place::Mail, &[0, 1]);
        assert_eq!(mail.begin(2).len(), 2);
        assert_eq!(mail.due(GROUP, 0, 5000), Due::Nothing, "one at a time");
        let (name, notice) = ("5001".to_owned(), specimen("later", NoticeKind::Firing));
        mail.push(name.clone(), Entry { id: name, to: Place::Mail, at: 5001, notice });
        let settled = mail.end(Outcome::Later("451 busy".to_owned()), 0.0, 5002);
        let again = Again { reason: "451 busy".to_owned(), pause: Duration::from_secs(1), first: true };
        assert_eq!(settled.again, Some(again));
        assert_eq!((mail.due(GROUP, 0, 5003), mail.due(GROUP, 0, 6002)), (Due::At(6002), Due::Now(2)));
        mail.begin(2);
        assert_eq!(mail.end(Outcome::Sent, 0.0, 6003).done.len(), 2);
        assert_eq!((mail.due(GROUP, 0, 6004), mail.due(GROUP, 0, 10_001)), (Due::At(10_001), Due::Now(1)));
    }

    #[test]
    fn requests_go_one_by_one_at_once_and_the_first_holds_the_others() {
        let mut hook = hook(&[0, 0]);
        assert_eq!(hook.due(GROUP, 99, 1), Due::Now(1));
        hook.begin(1);
        hook.end(Outcome::Later("500".to_owned()), 1.0, 1);
        assert_eq!(hook.due(GROUP, 0, 1), Due::At(501));
        hook.begin(1);
        let settled = hook.end(Outcome::Never("404".to_owned()), 0.0, 501);
        assert_eq!((settled.done.len(), settled.given_up.as_deref()), (1, Some("404")));
        assert_eq!(hook.due(GROUP, 0, 501), Due::Now(1));
    }

    #[test]
    fn a_request_is_given_up_after_a_day_and_a_mail_never() {
        let day = millis(LIFETIME);
        let mut hook = hook(&[0]);
        hook.begin(1);
        assert!(hook.end(Outcome::Later("500".to_owned()), 0.0, day - 1).given_up.is_none());
        hook.begin(1);
        assert!(hook.end(Outcome::Later("500".to_owned()), 0.0, day).given_up.is_some());
        let mut mail = line(Place::Mail, &[0]);
        mail.begin(1);
        assert!(mail.end(Outcome::Later("away".to_owned()), 0.0, 9 * day).again.is_some());
    }
}
