//! What was measured, and the table of it.

use crate::support::proxies::Kind;
use crate::support::report::Report;
use crate::support::statistics::{largest, median};

/// One proxy under one attack, a sample a round.
#[derive(Debug)]
pub(crate) struct Results {
    pub(crate) attack: &'static str,
    pub(crate) kind: Kind,
    pub(crate) samples: Vec<Sample>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// Milliseconds, of the good client.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
    /// Requests of the good client.
    pub(crate) asked: u64,
    pub(crate) failed: u64,
    /// The most MiB that were resident.
    pub(crate) memory: f64,
    /// The part of its core that the proxy took.
    pub(crate) core: f64,
    /// Connections that the attack opened a second.
    pub(crate) opened: f64,
    /// Bytes that it wrote a second.
    pub(crate) bytes: f64,
}

impl Results {
    pub(crate) fn new(attack: &'static str, kind: Kind) -> Self {
        Self { attack, kind, samples: Vec::new() }
    }

    /// The median over the rounds.
    pub(crate) fn median(&self, field: fn(&Sample) -> f64) -> f64 {
        median(&self.samples.iter().map(field).collect::<Vec<_>>())
    }

    pub(crate) fn largest(&self, field: fn(&Sample) -> f64) -> f64 {
        largest(&self.samples.iter().map(field).collect::<Vec<_>>())
    }
}

pub(crate) fn print(results: &[Results], report: &mut Report) {
    report.line("");
    report.line(
        "| attack | proxy | p50 ms | p99 ms | max ms | failed | most MiB | core | opened/s | MB/s |\n\
         |---|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    );
    for one in results {
        let (failed, asked) =
            one.samples.iter().fold((0, 0), |sum, sample| (sum.0 + sample.failed, sum.1 + sample.asked));
        report.line(format!(
            "| {} | {} | {:.2} | {:.2} | {:.1} | {failed} of {asked} | {:.0} | {:.0} % | {:.0} | {:.1} |",
            one.attack,
            one.kind.name(),
            one.median(|sample| sample.p50),
            one.median(|sample| sample.p99),
            one.largest(|sample| sample.max),
            one.largest(|sample| sample.memory),
            one.median(|sample| sample.core) * 100.0,
            one.median(|sample| sample.opened),
            one.median(|sample| sample.bytes) / 1e6,
        ));
    }
}
