//! The rounds: every proxy is up all the time, one is loaded at a time, and the order rotates.

use anyhow::Result;

use crate::arguments::Arguments;
use crate::report::Report;
use crate::support::procfs;
use crate::support::proxies::{Job, Kind, Proxy};
use crate::wrk;

/// The canary's share of the requests may be off by what is in flight when the load stops.
const SHARE: std::ops::RangeInclusive<f64> = 0.32..=0.347;

/// All that was measured with one body.
#[derive(Debug)]
pub(crate) struct BodyResults {
    pub(crate) name: &'static str,
    path: &'static str,
    /// Coalmine's processor time as a part of the better of nginx and HAProxy.
    pub(crate) bar: f64,
    pub(crate) proxies: Vec<ProxyResults>,
}

#[derive(Debug)]
pub(crate) struct ProxyResults {
    pub(crate) kind: Kind,
    /// One a round.
    pub(crate) samples: Vec<Sample>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// Microseconds on a core for each request.
    pub(crate) cpu: f64,
    /// Requests per second.
    pub(crate) rate: f64,
    /// Microseconds.
    pub(crate) p50: f64,
    /// Microseconds.
    pub(crate) p99: f64,
    /// Resident bytes after the load.
    pub(crate) memory: f64,
}

pub(crate) fn measure(
    job: &Job<'_>,
    kinds: &[Kind],
    arguments: &Arguments,
    report: &mut Report,
) -> Result<Vec<BodyResults>> {
    let proxies = kinds.iter().map(|kind| kind.start(job)).collect::<Result<Vec<_>>>()?;
    let mut bodies =
        [("small", "/", 0.92), ("10 KiB", "/10k", 0.95), ("1 MiB", "/1m", 0.80)].map(|(name, path, bar)| {
            let proxies = kinds.iter().map(|&kind| ProxyResults { kind, samples: Vec::new() }).collect();
            BodyResults { name, path, bar, proxies }
        });
    for proxy in &proxies {
        for body in &bodies {
            wrk::run(job.dir, proxy.addr, body.path, arguments.connections, 1)?; // warm-up
        }
    }
    for round in 0..arguments.rounds as usize {
        for body in &mut bodies {
            for turn in 0..proxies.len() {
                let place = (turn + round) % proxies.len();
                let sample = one(job, &proxies[place], body.name, body.path, arguments, report)?;
                body.proxies[place].samples.push(sample);
            }
            let costs: Vec<String> = body
                .proxies
                .iter()
                .filter_map(|proxy| Some(format!("{} {:.1}", proxy.kind.name(), proxy.samples.last()?.cpu)))
                .collect();
            eprintln!("round {}, {}: us/request: {}", round + 1, body.name, costs.join(", "));
        }
    }
    Ok(bodies.into())
}

#[allow(clippy::cast_precision_loss)]
fn one(
    job: &Job<'_>,
    proxy: &Proxy,
    name: &str,
    path: &str,
    arguments: &Arguments,
    report: &mut Report,
) -> Result<Sample> {
    let (stable, canary) = job.backends.counts();
    let pid = proxy.process.pid();
    let before = procfs::cpu_time(pid)?;
    let outcome = wrk::run(job.dir, proxy.addr, path, arguments.connections, arguments.seconds)?;
    let spent = procfs::cpu_time(pid)? - before;
    let (stable, canary) = (job.backends.counts().0 - stable, job.backends.counts().1 - canary);
    let who = proxy.kind.name();
    if outcome.errors > 0 || outcome.requests == 0 {
        report.error(format!("{who}, {name}: {} errors in {} requests", outcome.errors, outcome.requests));
    }
    let share = canary as f64 / (stable + canary).max(1) as f64;
    if stable + canary > 3000 && !SHARE.contains(&share) {
        report.error(format!("{who}, {name}: the canary got {:.1} % instead of a third", share * 100.0));
    }
    Ok(Sample {
        cpu: spent as f64 / 1e3 / outcome.requests.max(1) as f64,
        rate: outcome.rate,
        p50: outcome.p50,
        p99: outcome.p99,
        memory: procfs::resident(pid)? as f64,
    })
}
