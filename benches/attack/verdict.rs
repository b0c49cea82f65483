//! Whether the bars are reached.

use crate::results::Results;
use crate::support::proxies::Kind;
use crate::support::report::Report;

/// Of HAProxy's p99 under the same attack.
const LATENCY: f64 = 2.0;
/// MiB resident.
const MEMORY: f64 = 200.0;

pub(crate) fn print(results: &[Results], report: &mut Report) {
    report.line("");
    for ours in results.iter().filter(|one| one.kind == Kind::Coalmine) {
        let p99 = ours.median(|sample| sample.p99);
        let theirs = results.iter().find(|one| one.attack == ours.attack && one.kind == Kind::Haproxy);
        let latency = theirs.map(|theirs| p99 / theirs.median(|sample| sample.p99));
        let memory = ours.largest(|sample| sample.memory);
        let words = latency.map_or_else(String::new, |ratio| {
            format!("p99 {ratio:.2} of HAProxy's, bar {LATENCY:.0}: {}; ", word(ratio <= LATENCY))
        });
        report.line(format!("- {}: {words}{memory:.0} MiB, bar {MEMORY:.0}: {}", ours.attack, word(memory < MEMORY)));
    }
}

fn word(reached: bool) -> &'static str {
    if reached { "reached" } else { "MISSED" }
}
