//! A program and those that take over from it, one after another.

use std::fs;
use std::process::Command;

use super::coalmine::Coalmine;
use super::eventually::{eventually, eventually_some};
use super::process::Output;

/// The processes that came after the first one. Those that still run are killed when dropped.
pub(crate) struct Lineage {
    first: u32,
    log: Output,
}

impl Lineage {
    pub(crate) fn of(coalmine: &Coalmine) -> Self {
        Self { first: coalmine.process.pid(), log: coalmine.process.stderr.clone() }
    }

    /// The process ids of all successors that were started, the latest last.
    pub(crate) fn successors(&self) -> Vec<u32> {
        self.log.text().lines().filter(|line| line.contains("the successor is started")).filter_map(pid).collect()
    }

    /// Lets the process that serves hand over, and returns when its successor serves. Gives the successor's id.
    #[track_caller]
    pub(crate) fn upgrade(&self) -> u32 {
        let before = self.served();
        signal("USR2", *before.last().unwrap_or(&self.first));
        eventually_some("the successor serves", || {
            let after = self.served();
            (after.len() > before.len()).then(|| after.last().copied()).flatten()
        })
    }

    /// Waits until every process but the last one has ended.
    #[track_caller]
    pub(crate) fn wait_old_ended(&self) {
        let served = self.served();
        let old = [self.first].into_iter().chain(served.iter().copied().take(served.len().saturating_sub(1)));
        for pid in old {
            eventually(&format!("the old process {pid} ends"), || has_ended(pid));
        }
    }

    /// The ids of the successors that were handed over to.
    fn served(&self) -> Vec<u32> {
        self.log.text().lines().filter(|line| line.contains("handed over:")).filter_map(pid).collect()
    }
}

impl Drop for Lineage {
    fn drop(&mut self) {
        for pid in self.successors() {
            if !has_ended(pid) {
                signal("KILL", pid);
            }
        }
    }
}

/// Sends `TERM`, `USR2` and so on; a process that has ended meanwhile gets none.
pub(crate) fn signal(name: &str, pid: u32) {
    let _ = Command::new("kill").args([format!("-{name}"), pid.to_string()]).status();
}

/// Whether a process is gone, or only waits for somebody to ask how it ended.
pub(crate) fn has_ended(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .ok()
        .and_then(|stat| stat.rsplit_once(')').map(|(_, rest)| rest.trim_start().starts_with(['Z', 'X'])))
        .unwrap_or(true)
}

/// The field `pid` of a log line.
fn pid(line: &str) -> Option<u32> {
    line.split_whitespace().find_map(|word| word.strip_prefix("pid=")?.parse().ok())
}
