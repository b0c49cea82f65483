//! The one request by which a canary shows that it can come back.

use std::sync::Arc;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Release};
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use super::Alarm;

const OPEN: u8 = 0;
const TAKEN: u8 = 1;
const ANSWERED: u8 = 2;
const PASSED: u8 = 3;
const FAILED: u8 = 4;

/// One chance. The gate makes a new one for each attempt to come back.
#[derive(Debug)]
pub struct Trial {
    state: AtomicU8,
    passed_over: AtomicU32,
    alarm: Arc<Alarm>,
}

/// How far a trial has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrialState {
    /// No request has ended yet.
    Waiting,
    /// The answer has begun well, and goes on.
    Answered,
    Passed,
    Failed,
}

impl Trial {
    pub fn new(alarm: Arc<Alarm>) -> Self {
        Self { state: AtomicU8::new(OPEN), passed_over: AtomicU32::new(0), alarm }
    }

    /// For a request that may be repeated on stable: the seat if it is the first to ask.
    pub fn claim(self: &Arc<Self>) -> Option<TrialSeat> {
        let taken = self.state.compare_exchange(OPEN, TAKEN, AcqRel, Acquire).is_ok();
        taken.then(|| TrialSeat { trial: self.clone(), verdict: OPEN })
    }

    /// A request went by that may not be repeated, so that it was not put to the trial.
    pub fn pass_over(&self) {
        self.passed_over.fetch_add(1, Ordering::Relaxed);
    }

    /// How many requests went by.
    pub fn passed_over(&self) -> u32 {
        self.passed_over.load(Ordering::Relaxed)
    }

    /// Whether a request is the trial, or was.
    pub fn is_taken(&self) -> bool {
        self.state.load(Acquire) != OPEN
    }

    pub fn state(&self) -> TrialState {
        match self.state.load(Acquire) {
            ANSWERED => TrialState::Answered,
            PASSED => TrialState::Passed,
            FAILED => TrialState::Failed,
            _ => TrialState::Waiting,
        }
    }
}

/// The right to be the trial. Dropped without a verdict, because the client went away, it gives the chance back.
#[derive(Debug)]
pub struct TrialSeat {
    trial: Arc<Trial>,
    verdict: u8,
}

impl TrialSeat {
    /// The answer has begun well. It may go on for as long as its client likes.
    pub fn answered(&self) {
        self.trial.state.store(ANSWERED, Release);
    }

    pub fn passed(mut self) {
        self.verdict = PASSED;
    }

    pub fn failed(mut self) {
        self.verdict = FAILED;
    }
}

impl Drop for TrialSeat {
    fn drop(&mut self) {
        self.trial.state.store(self.verdict, Release);
        if self.verdict != OPEN {
            self.trial.alarm.ring();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_request_is_the_trial_and_one_that_was_canceled_gives_its_seat_back() {
        let trial = Arc::new(Trial::new(Arc::default()));
        let seat = trial.claim().unwrap();
        assert!(trial.claim().is_none());
        seat.answered();
        assert_eq!(trial.state(), TrialState::Answered);
        assert!(trial.claim().is_none());
        drop(seat);
        assert_eq!(trial.state(), TrialState::Waiting);
        trial.claim().unwrap().passed();
        assert!(trial.claim().is_none());
        assert_eq!(trial.state(), TrialState::Passed);
    }
}
