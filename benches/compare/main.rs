//! Coalmine beside other proxies, in one run: `make bench-compare`.
//!
//! The proxy under test has one core for itself; load and backends share the other. What counts is the time on
//! a core for each request, as a ratio to the best peer of the same round.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a harness talks to a terminal")]

mod arguments;
mod h2load;
mod handshakes;
mod idle;
mod instructions;
mod outcome;
mod rounds;
mod rows;
#[path = "../support/mod.rs"]
mod support;
mod table;
mod verdict;
mod wrk;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser as _;

use arguments::Arguments;
use support::backend::Backends;
use support::certificate::Certificate;
use support::proxies::Job;
use support::redis::RedisServer;
use support::report::Report;
use support::{process, tool};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if !arguments.run {
        println!("skipped: use make bench-compare");
        return ExitCode::SUCCESS;
    }
    support::exit_code(measure(&arguments))
}

/// Whether no request failed and every split was as configured.
fn measure(arguments: &Arguments) -> Result<bool> {
    let kinds = arguments.kinds();
    let peers = kinds.iter().filter_map(|kind| kind.system_program());
    let tools: &[&str] = if arguments.instructions { &["valgrind"] } else { &["redis-server", "wrk", "h2load"] };
    tool::require(peers.chain(["setpriv", "taskset"]).chain(tools.iter().copied()))?;
    process::settle()?;
    let dir = tempfile::tempdir()?;
    let backends = Backends::start()?;
    let mut job = Job::new(dir.path(), &backends);
    let mut report = Report::default();
    report.machine(
        &kinds,
        &[("wrk", "-v"), ("h2load", "--version"), ("redis-server", "--version"), ("valgrind", "--version")],
    )?;
    if arguments.instructions {
        instructions::measure(&mut job, arguments.requests, &mut report)?;
        return report.end(arguments.markdown.as_deref());
    }
    let redis = RedisServer::start(dir.path())?;
    job.redis = Some(redis.url());
    job.probe_interval = "500ms";
    let certificate = Certificate::make(dir.path())?;
    job.certificate = Some(&certificate);
    if arguments.measures_all() {
        idle::measure(&job, &kinds, arguments.idle_connections, &mut report)?;
    }
    let results = rounds::measure(&job, &kinds, arguments, &mut report)?;
    for row in &results {
        table::print(row, &mut report);
    }
    verdict::print(&results, &mut report);
    report.end(arguments.markdown.as_deref())
}
