//! Whether the bars are reached. Ratios are taken within a round, so that what slows all proxies cancels out.

use crate::report::Report;
use crate::rounds::BodyResults;
use crate::support::proxies::Kind;
use crate::support::statistics::{largest, median, smallest};

/// The peers whose better one sets the bar.
pub(crate) const BEST: [Kind; 2] = [Kind::Nginx, Kind::Haproxy];

/// Processor time of `kind` as a part of the cheapest of `peers`, one a round; `None` if any was not measured.
pub(crate) fn ratios(body: &BodyResults, kind: Kind, peers: &[Kind]) -> Option<Vec<f64>> {
    let samples = |kind| Some(&body.proxies.iter().find(|proxy| proxy.kind == kind)?.samples);
    let peers = peers.iter().map(|&peer| samples(peer)).collect::<Option<Vec<_>>>()?;
    let ratio = |(round, sample): (usize, &crate::rounds::Sample)| {
        let best: Vec<f64> = peers.iter().filter_map(|samples| Some(samples.get(round)?.cpu)).collect();
        sample.cpu / smallest(&best)
    };
    Some(samples(kind)?.iter().enumerate().map(ratio).collect())
}

pub(crate) fn print(bodies: &[BodyResults], report: &mut Report) {
    report.line(String::new());
    for body in bodies {
        if let Some(ratios) = ratios(body, Kind::Coalmine, &BEST) {
            let ratio = median(&ratios);
            report.line(format!(
                "- {}: coalmine takes {ratio:.3} ({:.3} to {:.3}) of the better of nginx and haproxy, bar {:.2}: {}",
                body.name,
                smallest(&ratios),
                largest(&ratios),
                body.bar,
                if ratio <= body.bar { "reached" } else { "MISSED" },
            ));
        }
        for peer in body.proxies.iter().map(|proxy| proxy.kind).filter(|&kind| kind != Kind::Coalmine) {
            let Some(ratio) = ratios(body, Kind::Coalmine, &[peer]).map(|ratios| median(&ratios)) else { continue };
            if ratio > 1.0 {
                report.line(format!("- {}: DEFECT: coalmine takes {ratio:.3} of {}", body.name, peer.name()));
            }
        }
    }
}
