//! What is printed, and whether the bars are reached.

use std::path::Path;

use anyhow::Result;

use crate::flip::Flips;
use crate::support::load::Totals;
use crate::support::proxies::Kind;
use crate::support::statistics::{largest, median, percentile};
use crate::support::tool;

/// Milliseconds.
const BAR_P50: f64 = 1.0;
const BAR_P99: f64 = 5.0;

#[derive(Debug)]
pub(crate) struct Report {
    lines: Vec<String>,
    verdicts: Vec<String>,
    sound: bool,
}

impl Report {
    pub(crate) fn begin(kinds: &[Kind]) -> Result<Self> {
        let mut lines = vec![tool::machine()];
        for kind in kinds {
            lines.push(kind.version()?);
        }
        if let Some(redis) = tool::find("redis-server") {
            lines.push(tool::version(&redis, "--version"));
        }
        lines.push(String::new());
        lines.push(
            "| proxy | flips | p50 ms | p99 ms | max ms | none after the SET | missed | back p50 ms | load req/s \
             (max) | requests | failed |"
                .into(),
        );
        lines.push("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|".into());
        Ok(Self { lines, verdicts: Vec::new(), sound: true })
    }

    pub(crate) fn add(&mut self, kind: Kind, maximum: f64, flips: &Flips, load: &Totals) {
        let times = &flips.times;
        let (p50, p99) = (percentile(times, 0.50), percentile(times, 0.99));
        #[allow(clippy::cast_precision_loss)]
        let none = times.iter().filter(|&&time| time == 0.0).count() as f64 / times.len().max(1) as f64 * 100.0;
        self.lines.push(format!(
            "| {} | {} | {p50:.2} | {p99:.2} | {:.2} | {none:.1} % | {} | {:.1} | {:.0} ({maximum:.0}) | {} | {} |",
            kind.name(),
            flips.returns.len(),
            if times.is_empty() { 0.0 } else { largest(times) },
            flips.missed,
            median(&flips.returns),
            load.rate,
            load.done,
            load.failed,
        ));
        if load.failed > 0 {
            let first = load.first_failure.as_deref().unwrap_or_default();
            self.verdicts.push(format!("ERROR: {}: {} requests failed, the first: {first}", kind.name(), load.failed));
        }
        if flips.missed > 0 {
            self.verdicts.push(format!("ERROR: {}: {} alerts were missed", kind.name(), flips.missed));
        }
        if kind == Kind::Coalmine {
            for (what, value, bar) in [("p50", p50, BAR_P50), ("p99", p99, BAR_P99)] {
                let word = if value < bar && !times.is_empty() { "reached" } else { "MISSED" };
                self.verdicts.push(format!("coalmine {what} {value:.2} ms, bar {bar} ms: {word}"));
            }
            self.sound &= flips.missed == 0;
        }
        self.sound &= load.failed == 0;
    }

    /// Whether no request failed and Coalmine missed no alert.
    pub(crate) fn end(mut self, file: Option<&Path>) -> Result<bool> {
        self.lines.push(String::new());
        self.lines.extend(self.verdicts.iter().map(|verdict| format!("- {verdict}")));
        let text = self.lines.join("\n") + "\n";
        println!("{text}");
        if let Some(file) = file {
            std::fs::write(file, text)?;
        }
        Ok(self.sound)
    }
}
