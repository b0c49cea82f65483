//! How long a raised alert takes to keep the canary out, under load: `make bench-eject`.
//!
//! From just before the `SET` to the last request that reached the canary, both stamped by one clock.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a harness talks to a terminal")]

mod agent;
mod flip;
mod report;
#[path = "../support/mod.rs"]
mod support;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Parser;

use agent::Agent;
use flip::{Flips, Signal};
use support::backend::Backends;
use support::load::Load;
use support::proxies::{Job, Kind, Proxy};
use support::redis::RedisServer;
use support::{process, tool};

const KEY: &str = "coalmine:alert:bench";

#[derive(Debug, Parser)]
struct Arguments {
    /// Measure; without it nothing is done, so that a plain `cargo bench` stays quick.
    #[arg(long)]
    run: bool,
    /// Alerts raised against Coalmine.
    #[arg(long, default_value_t = 1000)]
    flips: u32,
    /// Alerts raised against HAProxy, which takes longer for each.
    #[arg(long, default_value_t = 100)]
    haproxy_flips: u32,
    /// Keep-alive connections of the load.
    #[arg(long, default_value_t = 64)]
    connections: u32,
    /// Which proxies, instead of both.
    #[arg(long, value_delimiter = ',', default_value = "coalmine,haproxy")]
    only: Vec<Kind>,
    /// Also write the report to this file.
    #[arg(long)]
    markdown: Option<std::path::PathBuf>,
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if !arguments.run {
        println!("skipped: use make bench-eject");
        return ExitCode::SUCCESS;
    }
    support::exit_code(measure(&arguments))
}

/// Whether no request failed and no alert was missed.
fn measure(arguments: &Arguments) -> Result<bool> {
    let peers = arguments.only.iter().filter_map(|kind| kind.system_program());
    tool::require(peers.chain(["redis-server", "setpriv", "taskset"]))?;
    process::settle()?;
    let dir = tempfile::tempdir()?;
    let backends = Backends::start()?;
    let redis = RedisServer::start(dir.path())?;
    let agent = Agent::start()?;
    let mut signal = Signal::connect(&redis, &agent, KEY)?;
    let job = Job {
        redis: Some(redis.url()),
        probe_interval: "20ms",
        agent: Some(agent.addr()),
        ..Job::new(dir.path(), &backends)
    };
    let mut report = report::Report::begin(&arguments.only)?;
    for &kind in &arguments.only {
        let proxy = kind.start(&job)?;
        let maximum = full_load(&proxy, arguments.connections)?;
        eprintln!("{}: at most {:.0} requests/s, half of it from now on", kind.name(), maximum);
        let count = if kind == Kind::Coalmine { arguments.flips } else { arguments.haproxy_flips };
        let load = Load::start(proxy.doors.plain, arguments.connections, Some(maximum / 2.0))?;
        let flips = Flips::run(count, &mut signal, &backends.canary_seen, &load, kind.name())?;
        report.add(kind, maximum, &flips, &load.finish());
    }
    report.end(arguments.markdown.as_deref())
}

/// What a closed loop gets through in a second, in requests per second; the first time only warms up.
fn full_load(proxy: &Proxy, connections: u32) -> Result<f64> {
    let mut rate = 0.0;
    for seconds in [1, 3] {
        let load = Load::start(proxy.doors.plain, connections, None)?;
        std::thread::sleep(Duration::from_secs(seconds));
        let totals = load.finish();
        if let Some(failure) = totals.first_failure {
            bail!("{} under full load: {failure}", proxy.kind.name());
        }
        rate = totals.rate;
    }
    Ok(rate)
}
