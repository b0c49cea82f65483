//! The loop: samples, judges, and does what follows.

use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::time::{Instant, SystemTime};

use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::alert::Breach;
use super::check::{Gauge, Source};
use super::ledger::Ledger;
use super::rule::{Transition, Watch};
use super::sample::{Missing, Sampler};
use super::{notice, wording};
use crate::bus::{self, Standing};
use crate::control::Heartbeat;
use crate::model::{HostMetric, MonitorSettings, Notice, WatchRule, Way};
use crate::notify::Notifier;

/// The agent of one host.
pub struct Agent {
    host: String,
    rules: Vec<WatchRule>,
    /// One for each rule.
    watches: Vec<Watch>,
    sampler: Sampler,
    gauges: BTreeMap<HostMetric, Gauge>,
    /// Metrics that were last said to be missing.
    missing: BTreeSet<HostMetric>,
    ledger: Ledger,
    /// Shown to the writer once it is known what stood before.
    standing: watch::Sender<Option<Standing>>,
    /// What an earlier life left, until it is told.
    found: Option<oneshot::Receiver<BTreeMap<String, String>>>,
    notifier: Notifier,
}

impl Agent {
    /// Watches until the shutdown, and leaves every alert standing. Each turn is a beat of `heartbeat`.
    ///
    /// Must be called inside a tokio runtime. Panics of the parts that it starts are its own.
    pub async fn run(settings: MonitorSettings, notifier: Notifier, heartbeat: Heartbeat, shutdown: CancellationToken) {
        let mut tasks = JoinSet::new();
        let interval = settings.interval;
        let mut agent = Self::start(settings, notifier, &mut tasks, &shutdown);
        let mut turns = tokio::time::interval(interval);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                _ = turns.tick() => {
                    agent.turn(Instant::now(), SystemTime::now());
                    heartbeat.beat();
                }
                found = told(&mut agent.found) => agent.adopt(&found),
                Some(Err(panic)) = tasks.join_next() => std::panic::resume_unwind(panic.into_panic()),
            }
        }
        tasks.shutdown().await;
    }

    fn start(
        settings: MonitorSettings,
        notifier: Notifier,
        tasks: &mut JoinSet<()>,
        shutdown: &CancellationToken,
    ) -> Self {
        let sources = sources(&settings);
        let MonitorSettings { host, interval, cgroup, redis, rules, .. } = settings;
        let ledger = Ledger::new(host.clone());
        let (standing, wanted) = watch::channel(None);
        let keys = ledger.keys(&rules);
        let found = redis.filter(|_| !keys.is_empty()).map(|redis| {
            let (tell, found) = oneshot::channel();
            tasks.spawn(bus::standing(redis, keys, tell, wanted, shutdown.clone()));
            found
        });
        let mut gauges = BTreeMap::new();
        for source in sources {
            let metric = source.metric();
            let (gauge, work) = source.start();
            tasks.spawn(work);
            gauges.insert(metric, gauge);
        }
        let watches = rules.iter().map(|rule| Watch::new(rule, interval)).collect();
        let (sampler, missing) = (Sampler::new(&cgroup), BTreeSet::new());
        Self { host, rules, watches, sampler, gauges, missing, ledger, standing, found, notifier }
    }

    /// Looks once at everything that a rule is about.
    fn turn(&mut self, now: Instant, wall: SystemTime) {
        let metrics: BTreeSet<_> = self.rules.iter().map(|rule| rule.metric.clone()).collect();
        let mut samples = BTreeMap::new();
        for metric in metrics {
            let sample = match self.gauges.get(&metric) {
                Some(gauge) => gauge.read(now),
                None => self.sampler.sample(&metric, now),
            };
            self.say_missing(&metric, &sample);
            samples.insert(metric, sample.ok());
        }
        for (notice, ways) in self.judge(&samples, now, wall) {
            self.notifier.tell(notice, &ways);
        }
    }

    /// Holds samples against the rules. Gives who is to be told of what: one notice for each transition.
    pub(super) fn judge(
        &mut self,
        samples: &BTreeMap<HostMetric, Option<f64>>,
        now: Instant,
        wall: SystemTime,
    ) -> Vec<(Notice, Vec<Way>)> {
        let (mut changed, mut notices) = (false, Vec::new());
        for (index, (rule, watch)) in self.rules.iter().zip(&mut self.watches).enumerate() {
            let sample = samples.get(&rule.metric).copied().flatten();
            let Some(transition) = watch.judge(sample, now) else { continue };
            match transition {
                Transition::Breach { value, lasted } => {
                    changed = true;
                    tracing::warn!(rule = &*rule.name, reason = wording::breach(rule, value), "a rule is broken");
                    let since = wall.checked_sub(lasted).unwrap_or(wall);
                    self.ledger.broken(index, rule, Breach { value, since });
                }
                Transition::Recovered { value } => {
                    changed = true;
                    tracing::info!(rule = &*rule.name, reason = wording::recovery(rule, value), "a rule is kept again");
                    self.ledger.recovered(index);
                }
                // It is news only to whoever was told by an earlier life that the rule was broken: who sends knows.
                Transition::Kept { .. } => {}
            }
            if !rule.actions.ways.is_empty() {
                notices.push((notice::of(&self.host, rule, transition, wall), rule.actions.ways.clone()));
            }
        }
        if changed {
            self.show();
        }
        notices
    }

    /// Takes over what an earlier life of this agent left standing. Nobody is told anew of it.
    pub(super) fn adopt(&mut self, found: &BTreeMap<String, String>) {
        self.found = None;
        for (key, text) in found {
            for (index, breach) in self.ledger.adopted(&self.rules, key, text) {
                if self.watches[index].adopt() {
                    tracing::info!(rule = &*self.rules[index].name, "a rule was broken before this start");
                    self.ledger.broken(index, &self.rules[index], breach);
                }
            }
        }
        self.show();
    }

    /// Shows the writer what has to stand, once what stood before is taken over.
    fn show(&self) {
        if self.found.is_none() {
            self.standing.send_replace(Some(self.ledger.standing(&self.rules)));
        }
    }

    /// Says once that a metric is missing, and once that it is back.
    fn say_missing(&mut self, metric: &HostMetric, sample: &Result<f64, Missing>) {
        match sample {
            Ok(_) if self.missing.remove(metric) => tracing::info!(%metric, "the metric is read again"),
            Err(Missing::Unreadable(reason)) if self.missing.insert(metric.clone()) => {
                tracing::warn!(%metric, reason, "the metric can't be read: its rules stay as they are");
            }
            Ok(_) | Err(_) => {}
        }
    }
}

#[cfg(test)]
impl Agent {
    /// Of a host `web2`, with nothing that runs beside it.
    pub(super) fn specimen(rules: Vec<WatchRule>) -> Self {
        Self {
            host: "web2".to_owned(),
            watches: rules.iter().map(|rule| Watch::new(rule, std::time::Duration::from_secs(10))).collect(),
            rules,
            sampler: Sampler::new(""),
            gauges: BTreeMap::new(),
            missing: BTreeSet::new(),
            ledger: Ledger::new("web2".to_owned()),
            standing: watch::Sender::new(None),
            found: None,
            notifier: Notifier::silent(),
        }
    }

    /// What the writer is shown.
    pub(super) fn shown(&self) -> Option<Standing> {
        self.standing.borrow().clone()
    }
}

/// Everything that takes its time and that a rule is about, or that is checked.
pub(super) fn sources(settings: &MonitorSettings) -> Vec<Source> {
    let disk = |rule: &WatchRule| match &rule.metric {
        HostMetric::Disk(path) => Some(path.clone()),
        _ => None,
    };
    let paths: BTreeSet<_> = settings.rules.iter().filter_map(disk).collect();
    let checks = settings.checks.iter().map(|check| Source::Check(check.clone().into()));
    checks.chain(paths.into_iter().map(|path| Source::disk(path, settings.interval))).collect()
}

/// Waits for what an earlier life left; never ends when there is nothing to wait for.
async fn told(found: &mut Option<oneshot::Receiver<BTreeMap<String, String>>>) -> BTreeMap<String, String> {
    if let Some(receiver) = found
        && let Ok(found) = receiver.await
    {
        return found;
    }
    pending().await
}
