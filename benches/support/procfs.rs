//! What a process has cost so far, workers and all, as the kernel counts it.

use std::fs;

use anyhow::{Context as _, Result};

/// Time on a core, in nanoseconds, of every thread of `pid` and of its descendants.
pub(crate) fn cpu_time(pid: u32) -> Result<u64> {
    let mut total = 0;
    for pid in family(pid) {
        for task in fs::read_dir(format!("/proc/{pid}/task")).with_context(|| format!("process {pid} is gone"))? {
            let line = fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
            total += line.split(' ').next().and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
        }
    }
    Ok(total)
}

/// Resident memory, in bytes, of `pid` and of its descendants. Pages they share count once for each.
pub(crate) fn resident(pid: u32) -> Result<u64> {
    let mut total = 0;
    for pid in family(pid) {
        let status =
            fs::read_to_string(format!("/proc/{pid}/status")).with_context(|| format!("process {pid} is gone"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0");
        total += line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) * 1024;
    }
    Ok(total)
}

fn family(pid: u32) -> Vec<u32> {
    let mut found = vec![pid];
    let mut next = 0;
    while let Some(pid) = found.get(next).copied() {
        next += 1;
        let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { continue };
        for task in tasks.flatten() {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            found.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
    }
    found
}
