//! Resident memory of a fresh proxy with many keep-alive connections at rest, each after one request.

use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::support::client::Client;
use crate::support::procfs;
use crate::support::proxies::{Job, Kind};
use crate::support::report::Report;

/// Mebibytes.
const BAR: f64 = 30.0;

#[allow(clippy::cast_precision_loss)]
pub(crate) fn measure(job: &Job<'_>, kinds: &[Kind], connections: u32, report: &mut Report) -> Result<()> {
    report.line(String::new());
    report.line(format!("Resident memory with {connections} idle keep-alive connections"));
    report.line(String::new());
    report.line("| proxy | at start MiB | with the connections MiB |");
    report.line("|---|--:|--:|");
    let mut verdict = None;
    for &kind in kinds {
        let proxy = kind.start(job)?;
        let empty = procfs::resident(proxy.process.pid())? as f64 / 1_048_576.0;
        let mut open = Vec::new();
        for number in 1..=connections {
            let mut client = Client::connect(proxy.doors.plain, "/")?;
            client.get().with_context(|| format!("{}, idle connection {number}", kind.name()))?;
            open.push(client);
        }
        thread::sleep(Duration::from_millis(500)); // what is freed late is given the chance
        let full = procfs::resident(proxy.process.pid())? as f64 / 1_048_576.0;
        report.line(format!("| {} | {empty:.1} | {full:.1} |", kind.name()));
        if kind == Kind::Coalmine {
            let word = if full < BAR { "reached" } else { "MISSED" };
            verdict = Some(format!("- coalmine {full:.1} MiB, bar {BAR:.0}: {word}"));
        }
    }
    if let Some(verdict) = verdict {
        report.line(String::new());
        report.line(verdict);
    }
    Ok(())
}
