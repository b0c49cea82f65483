//! How a scenario is played: load, harm, recovery, and the reckoning.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::crowd::Crowd;
use crate::network;
use crate::outcome::Outcome;
use crate::proxy::Kind;
use crate::stage::{Needs, Stage};
use crate::support::for_a_while;
use crate::wrk::Wrk;

/// Load before the first harm, and after the last one has healed.
const BEFORE: Duration = Duration::from_millis(700);
const AFTER: Duration = Duration::from_millis(500);

/// What may go wrong, as data and a small script.
pub(crate) struct Scenario {
    /// The row of the table.
    pub(crate) name: &'static str,
    pub(crate) needs: Needs,
    /// Whom the script can be played with.
    pub(crate) kinds: &'static [Kind],
    pub(crate) script: fn(&mut Stage),
}

/// A scenario that was played, with all that helps to understand it.
pub(crate) struct Played {
    pub(crate) outcome: Outcome,
    /// For people.
    pub(crate) story: String,
}

/// Load tests would disturb each other.
static TURN: Mutex<()> = Mutex::new(());

impl Scenario {
    /// `None`: this machine lacks what it needs; a note says what.
    pub(crate) fn play(&self, kind: Kind, seed: u64) -> Option<Played> {
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        if self.needs == Needs::Network
            && let Some(missing) = network::missing()
        {
            note(&format!("SKIPPED: {}: {missing}", self.name));
            return None;
        }
        let mut stage = Stage::set(kind, self.needs, seed);
        let crowd = Crowd::start(stage.address(), seed);
        let wrk = Wrk::start(stage.address(), stage.directory());
        for_a_while(BEFORE);
        (self.script)(&mut stage);
        stage.wait_recovered();
        for_a_while(AFTER);
        let attempts = crowd.stop();
        let wrk = wrk.map(Wrk::stop);
        let share = stage.measure_share();

        let mut outcome = Outcome::of(attempts, &stage.given(), stage.harmed(), stage.harmed_at);
        outcome.wrk = wrk;
        outcome.share = share;
        outcome.ejected_after = stage.ejected_after;
        outcome.problems = std::mem::take(&mut stage.problems);
        let story = self.story(&stage, &outcome, kind, seed);
        Some(Played { outcome, story })
    }

    /// Plays it with Coalmine; nothing may be lost.
    #[track_caller]
    pub(crate) fn check(&self, seed: u64) {
        let Some(played) = self.play(Kind::Coalmine, seed) else { return };
        let faults = played.outcome.faults();
        assert!(faults.is_empty(), "{}\n{}", faults.join("\n"), played.story);
    }

    fn story(&self, stage: &Stage, outcome: &Outcome, kind: Kind, seed: u64) -> String {
        let mut story = format!("{}, {}, seed {seed}: {} requests\n", self.name, kind.name(), outcome.requests);
        let _ = writeln!(story, "timeline:\n{}", stage.timeline);
        let failures = outcome.failures(12, |at| stage.timeline.since_start(at));
        let _ = writeln!(story, "failures:\n{failures}  wrk: {:?}", outcome.wrk);
        let log = stage.proxy_log();
        let lines: Vec<_> = log.lines().collect();
        let last = &lines[lines.len().saturating_sub(40)..];
        let _ = writeln!(story, "the balancer wrote at last:\n  {}", last.join("\n  "));
        story
    }
}

/// Whoever runs the tests should know, although the output of tests that pass is not shown.
pub(crate) fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
