//! Whether the bars are reached. Ratios are taken within a round, so that what slows all proxies cancels out.

use crate::rounds::{RowResults, Sample};
use crate::support::proxies::Kind;
use crate::support::report::Report;
use crate::support::statistics::{largest, median, smallest};

/// The peers whose better one sets the bar.
pub(crate) const BEST: [Kind; 2] = [Kind::Nginx, Kind::Haproxy];

/// `kind` as a part of the best of `peers`, one a round; `None` if any was not measured. Of requests the processor
/// time is compared, where less is better; of handshakes how many a CPU second makes, where more is.
pub(crate) fn ratios(results: &RowResults, kind: Kind, peers: &[Kind]) -> Option<Vec<f64>> {
    let samples = |kind| Some(&results.proxies.iter().find(|proxy| proxy.kind == kind)?.samples);
    let peers = peers.iter().map(|&peer| samples(peer)).collect::<Option<Vec<_>>>()?;
    let ratio = |(round, sample): (usize, &Sample)| {
        let best: Vec<f64> = peers.iter().filter_map(|samples| Some(samples.get(round)?.cpu)).collect();
        let cost = sample.cpu / smallest(&best);
        if results.row.counts_handshakes() { 1.0 / cost } else { cost }
    };
    Some(samples(kind)?.iter().enumerate().map(ratio).collect())
}

pub(crate) fn print(results: &[RowResults], report: &mut Report) {
    report.line(String::new());
    for results in results {
        let row = &results.row;
        let (verb, unit) = if row.counts_handshakes() { ("makes", " a CPU second") } else { ("takes", "") };
        let reaches = |ratio: f64| if row.counts_handshakes() { ratio >= row.bar } else { ratio <= row.bar };
        let is_worse = |ratio: f64| if row.counts_handshakes() { ratio < 1.0 } else { ratio > 1.0 };
        if let Some(found) = ratios(results, Kind::Coalmine, &BEST) {
            let ratio = median(&found);
            report.line(format!(
                "- {}: coalmine {verb} {ratio:.3} ({:.3} to {:.3}) of the better of nginx and haproxy{unit}, bar {:.2}: {}",
                row.name,
                smallest(&found),
                largest(&found),
                row.bar,
                if reaches(ratio) { "reached" } else { "MISSED" },
            ));
        }
        for peer in results.proxies.iter().map(|proxy| proxy.kind).filter(|&kind| kind != Kind::Coalmine) {
            let Some(ratio) = ratios(results, Kind::Coalmine, &[peer]).map(|found| median(&found)) else {
                continue;
            };
            if is_worse(ratio) {
                report.line(format!("- {}: DEFECT: coalmine {verb} {ratio:.3} of {}{unit}", row.name, peer.name()));
            }
        }
    }
}
