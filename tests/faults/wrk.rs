//! Debian's load generator beside the crowd: a second opinion, at a low rate.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::support::process::Process;

/// Without a pause it would take the machine for itself.
const SCRIPT: &str = "function delay() return 20 end\n";

pub(crate) struct Wrk(Process);

impl Wrk {
    /// `None`: it is not installed.
    pub(crate) fn start(address: SocketAddr, directory: &Path) -> Option<Self> {
        Command::new("wrk").arg("--version").output().ok()?;
        let script = directory.join("pace.lua");
        std::fs::write(&script, SCRIPT).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--", "wrk", "-t1", "-c4", "-d300s", "--timeout", "10s", "-s"]);
        command.arg(script).arg(format!("http://{address}/wrk"));
        Some(Self(Process::start(command)))
    }

    /// Requests that were answered, and those that were not or not well.
    pub(crate) fn stop(mut self) -> Tally {
        self.0.signal("INT");
        tally(&self.0.wait().stdout)
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) answered: u64,
    pub(crate) bad_status: u64,
    /// No connection, or no answer in ten seconds.
    pub(crate) silent: u64,
    /// Connections that ended or were refused. It counts those among them that were closed while idle, which is no
    /// loss: the crowd tells the two apart.
    pub(crate) ended: u64,
}

fn tally(text: &str) -> Tally {
    let mut tally = Tally::default();
    for line in text.lines().map(str::trim) {
        let number = |text: &str| text.trim().parse::<u64>().unwrap_or(0);
        if let Some((count, _)) = line.split_once(" requests in ") {
            tally.answered = number(count);
        } else if let Some(count) = line.strip_prefix("Non-2xx or 3xx responses:") {
            tally.bad_status = number(count);
        } else if let Some(errors) = line.strip_prefix("Socket errors:") {
            for (kind, count) in errors.split(',').filter_map(|part| part.trim().split_once(' ')) {
                let sum = if matches!(kind, "connect" | "timeout") { &mut tally.silent } else { &mut tally.ended };
                *sum += number(count);
            }
        }
    }
    tally
}

#[test]
fn its_words_are_understood() {
    let text = "  1320 requests in 10.01s, 1.5MB read\n  Socket errors: connect 1, read 2, write 0, timeout 3\n  \
                Non-2xx or 3xx responses: 4\nRequests/sec: 131\n";
    assert_eq!(tally(text), Tally { answered: 1320, bad_status: 4, silent: 4, ended: 2 });
}
