//! The load of the HTTP/2 rows: h2load, one thread, 8 streams on each connection.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::outcome::Outcome;
use crate::support::process::{LOAD_CORE, Running, pinned};
use crate::support::tool;

/// Concurrent requests of a connection.
const STREAMS: u32 = 8;

/// `in_flight` requests at a time, as many as wrk has with that many connections.
pub(crate) fn run(dir: &Path, url: &str, in_flight: u32, seconds: u64) -> Result<Outcome> {
    let connections = in_flight.div_ceil(STREAMS);
    let program = tool::find("h2load").context("h2load is not installed")?;
    let mut command = pinned(LOAD_CORE, program);
    command.args(["-t1", "-c", &connections.to_string(), "-m", &STREAMS.to_string(), "-D", &seconds.to_string()]);
    command.args(["--groups", "X25519", "--npn-list", "h2", url]);
    let mut child = Running::start(command, &dir.join("h2load.log"))?;
    let status = child.wait(Duration::from_secs(seconds + 20)).context("h2load does not end")?;
    if !status.success() {
        bail!("h2load failed ({status}):\n{}", child.output());
    }
    parse(&child.output()).with_context(|| format!("h2load reported nothing:\n{}", child.output()))
}

/// Reads the lines `finished in 3.00s, 12345.00 req/s, ...`, `requests: 100 total, ...` and `status codes: ...`.
fn parse(output: &str) -> Option<Outcome> {
    let line = |start: &str| output.lines().find_map(|line| line.strip_prefix(start));
    let count = |line: &str, name: &str| -> Option<u64> {
        line.split(", ").find_map(|pair| pair.trim().strip_suffix(name))?.trim().parse().ok()
    };
    let requests = line("requests: ")?;
    let rate = line("finished in ")?.split(", ").find_map(|pair| pair.strip_suffix(" req/s"))?;
    let errors = ["failed", "errored", "timeout"].map(|name| count(requests, name));
    let codes = line("status codes: ")?;
    let refused = ["4xx", "5xx"].map(|name| count(codes, name));
    Some(Outcome {
        done: count(requests, "done")?,
        errors: errors.into_iter().chain(refused).sum::<Option<u64>>()?,
        rate: rate.parse().ok()?,
        p50: None,
        p99: None,
    })
}
