//! One flip: alert raised, canary silent, alert cleared, canary back.

use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use redis::Commands as _;

use crate::agent::Agent;
use crate::support::backend::Seen;
use crate::support::clock;
use crate::support::load::Load;
use crate::support::redis::RedisServer;

/// A canary that gets a third of the load and is silent for so long, in nanoseconds, has been ejected.
const QUIET: u64 = 30_000_000;
/// An alert that is not followed within this time, in nanoseconds, was missed.
const DEADLINE: u64 = 2_000_000_000;
/// A canary that is not back within this time, in nanoseconds, ends the run.
const RETURN: u64 = 10_000_000_000;

const TICK: Duration = Duration::from_millis(1);

/// Both ways to raise the alert, at the same instant.
pub(crate) struct Signal<'a> {
    redis: redis::Connection,
    agent: &'a Agent,
    key: &'static str,
}

impl<'a> Signal<'a> {
    pub(crate) fn connect(redis: &RedisServer, agent: &'a Agent, key: &'static str) -> Result<Self> {
        let redis = redis::Client::open(redis.url())?.get_connection()?;
        Ok(Self { redis, agent, key })
    }

    fn raise(&mut self) -> Result<()> {
        self.agent.say(true);
        self.redis.set::<_, _, ()>(self.key, "1").context("cannot raise the alert")
    }

    fn clear(&mut self) -> Result<()> {
        self.agent.say(false);
        self.redis.del::<_, ()>(self.key).context("cannot clear the alert")
    }
}

/// The outcome of many.
#[derive(Debug)]
pub(crate) struct Flips {
    /// Milliseconds from just before the `SET` to the last request at the canary, 0 if none came after it.
    pub(crate) times: Vec<f64>,
    /// Alerts that did not stop the canary's traffic in time.
    pub(crate) missed: u32,
    /// Milliseconds from the `DEL` to the canary's next request.
    pub(crate) returns: Vec<f64>,
}

impl Flips {
    pub(crate) fn run(count: u32, signal: &mut Signal<'_>, canary: &Seen, load: &Load, name: &str) -> Result<Self> {
        let mut random = fastrand::Rng::with_seed(1);
        let mut flips = Self { times: Vec::new(), missed: 0, returns: Vec::new() };
        wait_for_requests(canary, 20).with_context(|| format!("{name} sends the canary nothing"))?;
        for done in 1..=count {
            // A raise at a random moment of the proxy's own rhythm.
            thread::sleep(Duration::from_micros(random.u64(5_000..25_000)));
            let raised = clock::now();
            signal.raise()?;
            match silence(canary, raised) {
                #[allow(clippy::cast_precision_loss)]
                Some(last) => flips.times.push(last.saturating_sub(raised) as f64 / 1e6),
                None => flips.missed += 1,
            }
            let cleared = clock::now();
            signal.clear()?;
            let back = wait_for_requests(canary, 20)
                .with_context(|| format!("{name} did not admit the canary again after flip {done}"))?;
            #[allow(clippy::cast_precision_loss)]
            flips.returns.push(back.saturating_sub(cleared) as f64 / 1e6);
            if done % 100 == 0 {
                eprintln!("{name}: {done} of {count} flips, {} failed requests", load.failed());
            }
        }
        Ok(flips)
    }
}

/// When the last request before a quiet window came; `None`: they kept coming.
fn silence(canary: &Seen, raised: u64) -> Option<u64> {
    loop {
        let last = canary.last();
        let now = clock::now();
        if now.saturating_sub(last.max(raised)) >= QUIET {
            return Some(last);
        }
        if now.saturating_sub(raised) >= DEADLINE {
            return None;
        }
        thread::sleep(TICK);
    }
}

/// Waits for `count` more requests; answers when the first of them was seen, to the millisecond.
fn wait_for_requests(canary: &Seen, count: u64) -> Result<u64> {
    let (start, before) = (clock::now(), canary.count());
    let mut first = None;
    loop {
        let seen = canary.count() - before;
        if seen > 0 {
            first.get_or_insert_with(|| canary.last());
        }
        if let Some(first) = first.filter(|_| seen >= count) {
            return Ok(first);
        }
        if clock::now().saturating_sub(start) > RETURN {
            bail!("{seen} requests at the canary within {RETURN} ns");
        }
        thread::sleep(TICK);
    }
}
