//! A table a row: medians over the rounds, with the spread of what counts.

use crate::rounds::{RowResults, Sample};
use crate::support::report::Report;
use crate::support::statistics::{largest, median, smallest};
use crate::verdict;

pub(crate) fn print(results: &RowResults, report: &mut Report) {
    let handshakes = results.row.counts_handshakes();
    let (cost, rate) = if handshakes { ("handshakes/CPU second", "handshakes/s") } else { ("CPU us/request", "req/s") };
    report.line(String::new());
    report.line(format!("{}: {}", if results.row.is_http1() { "Body" } else { "Load" }, results.row.name));
    report.line(String::new());
    report.line(format!(
        "| proxy | {cost} (min to max) | ratio to the best peer | {rate} | p50 us | p99 us | resident MiB |"
    ));
    report.line("|---|--:|--:|--:|--:|--:|--:|");
    for proxy in &results.proxies {
        let column = |field: fn(&Sample) -> f64| proxy.samples.iter().map(field).collect::<Vec<_>>();
        let latency = |field: fn(&Sample) -> Option<f64>| {
            let known: Vec<f64> = proxy.samples.iter().filter_map(field).collect();
            if known.is_empty() { "-".into() } else { format!("{:.0}", median(&known)) }
        };
        let ratio = verdict::ratios(results, proxy.kind, &verdict::BEST)
            .map_or_else(|| "-".into(), |ratios| format!("{:.2}", median(&ratios)));
        report.line(format!(
            "| {} | {} | {ratio} | {:.0} | {} | {} | {:.1} |",
            proxy.kind.name(),
            if handshakes {
                spread(&column(|sample| 1e6 / sample.cpu), 0)
            } else {
                spread(&column(|sample| sample.cpu), 1)
            },
            median(&column(|sample| sample.rate)),
            latency(|sample| sample.p50),
            latency(|sample| sample.p99),
            median(&column(|sample| sample.memory)) / 1_048_576.0,
        ));
    }
}

fn spread(values: &[f64], digits: usize) -> String {
    let (middle, least, most) = (median(values), smallest(values), largest(values));
    format!("{middle:.digits$} ({least:.digits$} to {most:.digits$})")
}
