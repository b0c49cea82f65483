//! The rounds: every proxy is up all the time, one is loaded at a time, and the order rotates.

use anyhow::Result;

use crate::arguments::Arguments;
use crate::rows::Row;
use crate::support::procfs;
use crate::support::proxies::{Job, Kind, Proxy};
use crate::support::report::Report;

/// The canary's share of the requests may be off by what is in flight when the load stops.
const SHARE: std::ops::RangeInclusive<f64> = 0.32..=0.347;

/// All that was measured for one row.
#[derive(Debug)]
pub(crate) struct RowResults {
    pub(crate) row: Row,
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
    /// Microseconds on a core for each request or handshake.
    pub(crate) cpu: f64,
    /// Requests or handshakes per second.
    pub(crate) rate: f64,
    /// Microseconds.
    pub(crate) p50: Option<f64>,
    /// Microseconds.
    pub(crate) p99: Option<f64>,
    /// Resident bytes after the load.
    pub(crate) memory: f64,
}

pub(crate) fn measure(
    job: &Job<'_>,
    kinds: &[Kind],
    arguments: &Arguments,
    report: &mut Report,
) -> Result<Vec<RowResults>> {
    let proxies = kinds.iter().map(|kind| kind.start(job)).collect::<Result<Vec<_>>>()?;
    let mut results: Vec<RowResults> = arguments.rows().into_iter().map(|row| RowResults::new(row, kinds)).collect();
    for proxy in &proxies {
        for results in results.iter().filter(|results| results.place(proxy.kind).is_some()) {
            results.row.run(job, proxy, arguments, 1)?; // warm-up
        }
    }
    for round in 0..arguments.rounds as usize {
        for results in &mut results {
            for turn in 0..proxies.len() {
                let proxy = &proxies[(turn + round) % proxies.len()];
                let Some(place) = results.place(proxy.kind) else { continue };
                let sample = one(job, proxy, &results.row, arguments, report)?;
                results.proxies[place].samples.push(sample);
            }
            let costs: Vec<String> = results
                .proxies
                .iter()
                .filter_map(|proxy| Some(format!("{} {:.1}", proxy.kind.name(), proxy.samples.last()?.cpu)))
                .collect();
            let row = &results.row;
            eprintln!("round {}, {}: us/{}: {}", round + 1, row.name, row.unit(), costs.join(", "));
        }
    }
    Ok(results)
}

impl RowResults {
    /// None yet, for each proxy that takes part.
    fn new(row: Row, kinds: &[Kind]) -> Self {
        let takes_part = |kind: &&Kind| row.is_http1() || kind.speaks_tls();
        let none = |&kind| ProxyResults { kind, samples: Vec::new() };
        Self { row, proxies: kinds.iter().filter(takes_part).map(none).collect() }
    }

    fn place(&self, kind: Kind) -> Option<usize> {
        self.proxies.iter().position(|proxy| proxy.kind == kind)
    }
}

#[allow(clippy::cast_precision_loss)]
fn one(job: &Job<'_>, proxy: &Proxy, row: &Row, arguments: &Arguments, report: &mut Report) -> Result<Sample> {
    let (stable, canary) = job.backends.counts();
    let pid = proxy.process.pid();
    let before = procfs::cpu_time(pid)?;
    let outcome = row.run(job, proxy, arguments, arguments.seconds)?;
    let spent = procfs::cpu_time(pid)? - before;
    let (stable, canary) = (job.backends.counts().0 - stable, job.backends.counts().1 - canary);
    let (who, name) = (proxy.kind.name(), row.name);
    if outcome.errors > 0 || outcome.done == 0 {
        report.error(format!("{who}, {name}: {} errors in {} {}s", outcome.errors, outcome.done, row.unit()));
    }
    let share = canary as f64 / (stable + canary).max(1) as f64;
    if row.is_forwarded() && stable + canary > 3000 && !SHARE.contains(&share) {
        report.error(format!("{who}, {name}: the canary got {:.1} % instead of a third", share * 100.0));
    }
    Ok(Sample {
        cpu: spent as f64 / 1e3 / outcome.done.max(1) as f64,
        rate: outcome.rate,
        p50: outcome.p50,
        p99: outcome.p99,
        memory: procfs::resident(pid)? as f64,
    })
}
