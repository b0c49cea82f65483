//! The one request of a canary's way back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::change::Notes;
use super::{News, ServiceState};
use crate::control::gate::{Signal, Verdict};
use crate::control::moment::Moment;
use crate::table::{Trial, TrialState};

/// A trial is waived when so many requests passed it by, none of which may be repeated ..
const PASSED_OVER: u32 = 20;
/// .. and this long nobody took it. Without any traffic it waits for the first request. An answer that goes on for as
/// long without breaking off is good enough: it may be a stream that never ends, or its client may be slow on purpose.
const PATIENCE: Duration = Duration::from_secs(10);

/// A trial that stands in the table.
#[derive(Clone, Debug)]
pub(in crate::control) struct Attempt {
    /// Tells one trial of a service from the next.
    pub(in crate::control) number: u64,
    pub(in crate::control) trial: Arc<Trial>,
    since: Instant,
    /// Since when an answer was seen to go on.
    answered: Option<Instant>,
}

impl ServiceState {
    /// Looks how far the trial has come. While every member fails, a failed one says nothing of the canary.
    pub(super) fn look_at_trial(&mut self, shared: bool, notes: &mut Notes, now: Moment) {
        let Some(attempt) = &mut self.trial else { return };
        let state = attempt.trial.state();
        if state != TrialState::Answered {
            attempt.answered = None;
        }
        match state {
            TrialState::Passed => self.signal(Signal::Trial(Verdict::Passed), notes, now),
            TrialState::Failed if shared => self.trial = None,
            TrialState::Failed => self.signal(Signal::Trial(Verdict::Failed), notes, now),
            TrialState::Answered => {
                let since = *attempt.answered.get_or_insert(now.at);
                if now.at.saturating_duration_since(since) >= PATIENCE {
                    self.signal(Signal::Trial(Verdict::Passed), notes, now);
                }
            }
            TrialState::Waiting => {
                let waited = now.at.saturating_duration_since(attempt.since) >= PATIENCE;
                if waited && !attempt.trial.is_taken() && attempt.trial.passed_over() >= PASSED_OVER {
                    self.signal(Signal::Trial(Verdict::Passed), notes, now);
                    notes.news.push(News::Waived);
                }
            }
        }
    }

    /// There is a trial exactly while the gate waits for one.
    pub(super) fn keep_trial(&mut self, now: Moment) {
        if !self.in_trial() {
            self.trial = None;
        } else if self.trial.is_none() {
            self.trials += 1;
            let trial = Arc::new(Trial::new(self.alarm.clone()));
            self.trial = Some(Attempt { number: self.trials, trial, since: now.at, answered: None });
        }
    }
}
