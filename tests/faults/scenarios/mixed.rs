//! Three at once, drawn by a seed.
//!
//! A request has one retry, so one backend fails at a time; the other two of the three are the store and the balancer.

use std::time::{Duration, Instant};

use super::COALMINE;
use crate::arguments::seed_from_environment;
use crate::backend::Backend;
use crate::backend::mode::{Answer, Mode};
use crate::scenario::Scenario;
use crate::stage::{CANARY, Needs, STABLE, Stage};
use crate::support::for_a_while;

pub(super) const ALL: &[&Scenario] = &[&MIXED];

/// Seeds that have shown something once stay here.
const SEEDS: [u64; 3] = [1, 2, 3];

const MIXED: Scenario = Scenario { name: "three at once", needs: Needs::Redis, kinds: COALMINE, script: three_at_once };

type Act = Box<dyn FnOnce(&mut Stage)>;

/// What happens when.
#[derive(Default)]
struct Plan(Vec<(Duration, Act)>);

fn three_at_once(stage: &mut Stage) {
    let mut plan = Plan::default();
    plan.backend(stage);
    let left_out = stage.random.usize(0..3);
    for (n, draw) in [Plan::redis, Plan::reloads, Plan::upgrade].into_iter().enumerate() {
        if n != left_out {
            draw(&mut plan, stage);
        }
    }
    plan.0.sort_by_key(|(at, _)| *at);
    let start = Instant::now();
    for (at, act) in plan.0 {
        for_a_while(at.saturating_sub(start.elapsed()));
        act(stage);
    }
}

impl Plan {
    fn backend(&mut self, stage: &mut Stage) {
        let id = if stage.random.u8(0..3) < 2 { CANARY } else { STABLE[stage.random.usize(0..3)] };
        let (from, to) = span(stage);
        // Good answers of stable are nobody's to judge but its clients': it is not told to misbehave.
        let faults = if id == CANARY { 4 } else { 2 };
        let bad = |answer| move |backend: &mut Backend| backend.behave(Mode::of(answer, 100));
        let well = |backend: &mut Backend| backend.behave(Mode::default());
        match stage.random.usize(0..faults) {
            0 => self.harm(id, (from, to), "kill -9", Backend::kill, Backend::restart),
            1 => self.harm(id, (from, to), "SIGSTOP", Backend::freeze, Backend::thaw),
            2 => self.harm(id, (from, to), "resets", bad(Answer::Reset), well),
            _ => self.harm(id, (from, to), "errors", bad(Answer::Error), well),
        }
    }

    fn harm(
        &mut self,
        id: &'static str,
        (from, to): (Duration, Duration),
        how: &'static str,
        harm: impl FnOnce(&mut Backend) + 'static,
        heal: impl FnOnce(&mut Backend) + 'static,
    ) {
        self.at(from, move |stage| stage.harm(id, how, harm));
        self.at(to, move |stage| stage.heal(id, "well again", heal));
    }

    fn redis(&mut self, stage: &mut Stage) {
        let (from, to) = span(stage);
        let is_killed = stage.random.bool();
        self.at(from, move |stage| {
            stage.timeline.note(if is_killed { "redis: kill -9" } else { "redis: SIGSTOP" });
            if is_killed { stage.redis().kill() } else { stage.redis().freeze() }
        });
        self.at(to, move |stage| {
            if is_killed {
                stage.redis().restart()
            } else {
                stage.redis().thaw()
            }
            stage.timeline.note("redis: well again");
        });
    }

    fn reloads(&mut self, stage: &mut Stage) {
        let (from, to) = span(stage);
        self.at(from, |stage| stage.timeline.note("reloads begin"));
        let mut at = from;
        let mut turn = stage.random.usize(0..6);
        while at < to {
            self.at(at, move |stage| stage.reload(Some(turn)));
            at += Duration::from_millis(100);
            turn += 1;
        }
        self.at(to, |stage| {
            stage.reload(None);
            stage.timeline.note("reloads end");
        });
    }

    fn upgrade(&mut self, stage: &mut Stage) {
        let (from, _) = span(stage);
        self.at(from, Stage::upgrade);
    }

    fn at(&mut self, at: Duration, act: impl FnOnce(&mut Stage) + 'static) {
        self.0.push((at, Box::new(act)));
    }
}

/// From when to when.
fn span(stage: &mut Stage) -> (Duration, Duration) {
    let from = stage.random.u64(0..1500);
    let length = stage.random.u64(1000..2500);
    (Duration::from_millis(from), Duration::from_millis(from + length))
}

#[test]
fn three_faults_at_once_cost_no_request() {
    let seeds = seed_from_environment().map_or_else(|| SEEDS.to_vec(), |seed| vec![seed]);
    for seed in seeds {
        MIXED.check(seed);
    }
}
