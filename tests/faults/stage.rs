//! One balancer before three stable backends and a canary, 2:1, and the hand that harms and heals them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use fastrand::Rng;
use tempfile::TempDir;

use crate::backend::Backend;
use crate::backend::log::Given;
use crate::monitor::{GATE, Monitor};
use crate::proxy::{Job, Kind, Proxy};
use crate::sentinel::Sentinel;
use crate::share;
use crate::support::{Redis, for_a_while};
use crate::timeline::Timeline;

pub(crate) const CANARY: &str = "canary";
pub(crate) const STABLE: [&str; 3] = ["one", "two", "three"];

/// How long anything may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// How long what comes after a problem may take: it is known already that something is wrong.
const AFTER_PROBLEM: Duration = Duration::from_secs(3);
/// How long a harm lasts at least once it is noticed, and beside those that do not tell.
const HARM: Duration = Duration::from_secs(1);
const HARM_UNTOLD: Duration = Duration::from_secs(3);

/// What a scenario needs beside the usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    Nothing,
    /// The canary behind a link that can be cut.
    Network,
    Redis,
    Sentinel,
}

/// Fields end in this order: first who asks, then who is asked.
pub(crate) struct Stage {
    pub(crate) random: Rng,
    pub(crate) timeline: Timeline,
    pub(crate) problems: Vec<String>,
    pub(crate) harmed_at: Option<Instant>,
    pub(crate) ejected_after: Option<Duration>,
    harmed: BTreeSet<String>,
    monitor: Option<Monitor>,
    proxy: Box<dyn Proxy>,
    canary: Backend,
    stable: Vec<Backend>,
    redis: Option<Redis>,
    sentinel: Option<Sentinel>,
    directory: TempDir,
}

impl Stage {
    pub(crate) fn set(kind: Kind, needs: Needs, seed: u64) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let stable: Vec<_> = STABLE.map(|id| Backend::start(id, directory.path())).into();
        let canary = match needs {
            Needs::Network => Backend::start_apart(CANARY, directory.path()),
            _ => Backend::start(CANARY, directory.path()),
        };
        let redis = (needs == Needs::Redis).then(Redis::start);
        let sentinel = (needs == Needs::Sentinel).then(Sentinel::start);
        let lines = match (&redis, &sentinel) {
            (Some(redis), _) => Some(format!("url = \"redis://{}/0\"", redis.address)),
            (_, Some(sentinel)) => Some(sentinel.redis_lines()),
            _ => None,
        };
        let job = Job { directory: directory.path(), stable: &stable, canary: &canary, redis: lines.as_deref() };
        let proxy = kind.start(&job);
        let timeline = Timeline::start();
        let mut stage = Self {
            random: Rng::with_seed(seed),
            monitor: proxy.monitor(&timeline),
            timeline,
            problems: Vec::new(),
            harmed_at: None,
            ejected_after: None,
            harmed: BTreeSet::new(),
            proxy,
            canary,
            stable,
            redis,
            sentinel,
            directory,
        };
        stage.wait_recovered();
        assert!(stage.problems.is_empty(), "{:?}\n{}", stage.problems, stage.proxy.log());
        stage
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.proxy.address()
    }

    pub(crate) fn directory(&self) -> &std::path::Path {
        self.directory.path()
    }

    /// From here on failures of requests that it was sent are its own.
    pub(crate) fn harm(&mut self, id: &str, how: &str, harm: impl FnOnce(&mut Backend)) {
        self.timeline.note(format!("{id}: {how}"));
        self.harmed.insert(id.to_owned());
        self.harmed_at.get_or_insert_with(Instant::now);
        harm(self.backend(id));
    }

    pub(crate) fn heal(&mut self, id: &str, how: &str, heal: impl FnOnce(&mut Backend)) {
        heal(self.backend(id));
        self.timeline.note(format!("{id}: {how}"));
    }

    /// Lets the harm done to `id` last until the balancer has noticed, and somewhat longer.
    pub(crate) fn wait_out(&mut self, id: &str) {
        let (Some(harmed_at), Some(monitor)) = (self.harmed_at, &self.monitor) else {
            return for_a_while(HARM_UNTOLD);
        };
        let who = if id == CANARY { GATE } else { id };
        let patience = self.patience();
        if within(patience, || monitor.out_since(who, harmed_at).is_some()) {
            let out = monitor.out_since(who, harmed_at);
            self.ejected_after = out.map(|out| out.saturating_duration_since(harmed_at));
            for_a_while(HARM);
        } else {
            self.problem(format!("{id} was not taken out within {patience:?}"));
        }
    }

    /// Waits until the gate is open and every backend is in; beside those that do not tell, until all answer.
    pub(crate) fn wait_recovered(&mut self) {
        let patience = self.patience();
        let recovered = match &self.monitor {
            Some(monitor) => within(patience, || monitor.are_all_up(STABLE.len() + 2)),
            None => within(patience, || share::of(CANARY, self.address(), 90).is_ok_and(|count| count > 20)),
        };
        if recovered {
            self.timeline.note("all are in");
        } else {
            self.problem(format!("not all were in again within {patience:?}"));
        }
    }

    /// Waits until the gate is shut (or open), as far as the balancer tells.
    pub(crate) fn wait_gate(&mut self, open: bool) {
        let Some(monitor) = &self.monitor else { return };
        let patience = self.patience();
        if !within(patience, || monitor.is_up(GATE) == Some(open)) {
            self.problem(format!("the gate was not {} within {patience:?}", if open { "open" } else { "shut" }));
        }
    }

    /// The canary's share, from a window in which nobody came or went.
    pub(crate) fn measure_share(&mut self) -> Option<usize> {
        let changes = |stage: &Self| stage.monitor.as_ref().map_or(0, Monitor::count_changes);
        for _ in 0..5 {
            let before = changes(self);
            let result = share::of(CANARY, self.address(), share::WINDOW);
            // A last look of the monitor at what was then.
            for_a_while(Duration::from_millis(100));
            match result {
                Ok(count) if changes(self) == before => return Some(count),
                Ok(_) => self.wait_recovered(),
                Err(error) => {
                    self.problem(format!("while the share was measured: {error}"));
                    return None;
                }
            }
        }
        self.problem("no window of 300 requests in which nobody came or went".to_owned());
        None
    }

    /// Lets the balancer read another configuration; `None`: the first one.
    pub(crate) fn reload(&mut self, turn: Option<usize>) {
        if let Err(error) = self.proxy.reload(turn) {
            self.problem(format!("reload: {error}"));
        }
    }

    pub(crate) fn upgrade(&mut self) {
        self.timeline.note("the balancer: to be replaced");
        match self.proxy.upgrade() {
            Ok(()) => self.timeline.note("the balancer: replaced"),
            Err(error) => self.problem(format!("upgrade: {error}")),
        }
    }

    pub(crate) fn redis(&mut self) -> &mut Redis {
        self.redis.as_mut().expect("the scenario asks for Redis")
    }

    pub(crate) fn sentinel(&mut self) -> &mut Sentinel {
        self.sentinel.as_mut().expect("the scenario asks for a sentinel")
    }

    /// Something that had to happen and did not. The scenario goes on, so that the clients are heard as well.
    pub(crate) fn problem(&mut self, what: String) {
        self.timeline.note(format!("PROBLEM: {what}"));
        self.problems.push(what);
    }

    /// What each backend was given so far.
    pub(crate) fn given(&self) -> BTreeMap<String, Vec<Given>> {
        self.stable.iter().chain([&self.canary]).map(|backend| (backend.id.clone(), backend.given())).collect()
    }

    pub(crate) fn harmed(&self) -> &BTreeSet<String> {
        &self.harmed
    }

    pub(crate) fn proxy_log(&self) -> String {
        self.proxy.log()
    }

    fn patience(&self) -> Duration {
        if self.problems.is_empty() { PATIENCE } else { AFTER_PROBLEM }
    }

    fn backend(&mut self, id: &str) -> &mut Backend {
        let mut all = self.stable.iter_mut().chain([&mut self.canary]);
        all.find(|backend| backend.id == id).expect("a backend of the stage")
    }
}

/// Whether `condition` came to hold in time.
pub(crate) fn within(time: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    loop {
        if condition() {
            return true;
        }
        if start.elapsed() > time {
            return false;
        }
        for_a_while(Duration::from_millis(10));
    }
}
