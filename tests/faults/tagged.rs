//! Processes that carry a mark in their environment, which what they start inherits: a balancer that starts its own
//! successor is found by it, and ended by number.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::support::for_a_while;

pub(crate) const VARIABLE: &str = "FAULT_STAGE";

/// All processes with this mark are killed when dropped.
pub(crate) struct Tag(String);

impl Tag {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        Self(format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)))
    }

    pub(crate) fn mark(&self, command: &mut Command) {
        command.env(VARIABLE, &self.0);
    }

    /// Those that run; dead ones that nobody has waited for are not among them.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let wanted = format!("{VARIABLE}={}", self.0);
        let all = fs::read_dir("/proc").into_iter().flatten().flatten();
        let numbers = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let has_mark = |pid: &u32| {
            let environment = fs::read(Path::new("/proc").join(pid.to_string()).join("environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes())
        };
        numbers.filter(has_mark).collect()
    }
}

impl Drop for Tag {
    fn drop(&mut self) {
        // One may start another while it is being killed. Never a panic: a test that fails comes by here as well.
        for _ in 0..1000 {
            let left = self.processes();
            if left.is_empty() {
                return;
            }
            for pid in left {
                signal(pid, "KILL");
            }
            for_a_while(Duration::from_millis(5));
        }
    }
}

/// Gives whether there was such a process.
pub(crate) fn signal(pid: u32, name: &str) -> bool {
    let output = Command::new("kill").args([format!("-{name}"), pid.to_string()]).output();
    output.is_ok_and(|output| output.status.success())
}

#[test]
fn a_marked_process_is_found_and_ended() {
    let tag = Tag::new();
    let mut command = Command::new("cat");
    tag.mark(&mut command);
    let mut process = crate::support::process::Process::start(command);
    crate::support::eventually("it is found", || tag.processes() == [process.pid()]);
    drop(tag);
    assert!(process.has_ended());
}
