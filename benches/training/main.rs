//! What a build learns from which code is hot: `make release` runs an instrumented Coalmine under this load.
//!
//! It is like a day at a front door, and like none of the measured loads: other clients (hyper's), heads of browsers and
//! of programs, bodies of many sizes in both directions, both versions of HTTP with and without TLS, connections that
//! come and go, visitors with and without a cookie. It goes to backends of this program's own, on loopback, bounded in
//! number, and measures nothing.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a harness talks to a terminal")]

mod lessons;
mod requests;
#[path = "../support/mod.rs"]
mod support;
mod visitor;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Parser;

use lessons::LESSONS;
use support::backend::Backends;
use support::certificate::Certificate;
use support::proxies::{Job, Kind};
use support::{process, tool};

/// How long the program may take to end and to write down what it has learnt.
const STOP: Duration = Duration::from_secs(60);

#[derive(Debug, Parser)]
struct Arguments {
    /// Send the load; without it nothing is done, so that a plain `cargo bench` stays quick.
    #[arg(long)]
    run: bool,
    /// Requests of each lesson.
    #[arg(long, default_value_t = 40_000, value_parser = clap::value_parser!(u32).range(1..))]
    requests: u32,
    /// What cargo tells every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if !arguments.run {
        println!("skipped: use make release");
        return ExitCode::SUCCESS;
    }
    support::exit_code(train(arguments.requests).map(|()| true))
}

fn train(requests: u32) -> Result<()> {
    tool::require(["setpriv", "taskset"])?;
    process::settle()?;
    let dir = tempfile::tempdir()?;
    let backends = Backends::start()?;
    let certificate = Certificate::make(dir.path())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for affinity in [false, true] {
        let mut job = Job { certificate: Some(&certificate), ..Job::new(dir.path(), &backends) };
        job.affinity = affinity;
        let mut proxy = Kind::Coalmine.start(&job)?;
        for lesson in LESSONS {
            let start = Instant::now();
            runtime.block_on(lesson.give(&proxy.doors, requests, affinity))?;
            println!("{lesson}, affinity {affinity}: {requests} requests in {:.1} s", start.elapsed().as_secs_f64());
        }
        if proxy.process.stop(STOP).is_none_or(|status| !status.success()) {
            bail!("coalmine did not end well:\n{}", proxy.process.output());
        }
    }
    Ok(())
}
