//! A table a body: medians over the rounds, with the spread of what counts.

use crate::report::Report;
use crate::rounds::BodyResults;
use crate::support::statistics::{largest, median, smallest};
use crate::verdict;

pub(crate) fn print(body: &BodyResults, report: &mut Report) {
    report.line(String::new());
    report.line(format!("Body: {}", body.name));
    report.line(String::new());
    report.line(
        "| proxy | CPU us/request (min to max) | ratio to the best peer | req/s | p50 us | p99 us | resident MiB |",
    );
    report.line("|---|--:|--:|--:|--:|--:|--:|");
    for proxy in &body.proxies {
        let column = |field: fn(&crate::rounds::Sample) -> f64| proxy.samples.iter().map(field).collect::<Vec<_>>();
        let cpu = column(|sample| sample.cpu);
        let ratio = verdict::ratios(body, proxy.kind, &verdict::BEST)
            .map_or_else(|| "-".into(), |ratios| format!("{:.2}", median(&ratios)));
        report.line(format!(
            "| {} | {:.1} ({:.1} to {:.1}) | {ratio} | {:.0} | {:.0} | {:.0} | {:.1} |",
            proxy.kind.name(),
            median(&cpu),
            smallest(&cpu),
            largest(&cpu),
            median(&column(|sample| sample.rate)),
            median(&column(|sample| sample.p50)),
            median(&column(|sample| sample.p99)),
            median(&column(|sample| sample.memory)) / 1_048_576.0,
        ));
    }
}
