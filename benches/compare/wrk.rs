//! The load: wrk, one thread, and what its script reports.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::outcome::Outcome;
use crate::support::process::{LOAD_CORE, Running, pinned};
use crate::support::tool;

const SCRIPT: &str = include_str!("done.lua");

pub(crate) fn run(dir: &Path, addr: SocketAddr, path: &str, connections: u32, seconds: u64) -> Result<Outcome> {
    let script = dir.join("done.lua");
    fs::write(&script, SCRIPT)?;
    let program = tool::find("wrk").context("wrk is not installed")?;
    let mut command = pinned(LOAD_CORE, program);
    command.args(["-t1", "-c", &connections.to_string(), "-d", &format!("{seconds}s"), "-s"]).arg(script);
    command.arg(format!("http://{addr}{path}"));
    let mut child = Running::start(command, &dir.join("wrk.log"))?;
    let status = child.wait(Duration::from_secs(seconds + 20)).context("wrk does not end")?;
    if !status.success() {
        bail!("wrk failed ({status}):\n{}", child.output());
    }
    parse(&child.output()).with_context(|| format!("wrk reported nothing:\n{}", child.output()))
}

fn parse(output: &str) -> Option<Outcome> {
    let line = output.lines().find_map(|line| line.strip_prefix("RESULT "))?;
    let field = |name: &str| -> Option<u32> {
        line.split(' ').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?.parse().ok()
    };
    let requests = field("requests")?;
    let errors = ["connect", "read", "write", "status", "timeout"].map(field);
    Some(Outcome {
        done: requests.into(),
        errors: errors.into_iter().sum::<Option<u32>>()?.into(),
        rate: f64::from(requests) * 1e6 / f64::from(field("duration")?.max(1)),
        p50: Some(field("p50")?.into()),
        p99: Some(field("p99")?.into()),
    })
}
