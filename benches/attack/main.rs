//! What a good client feels, and what the proxy holds, while somebody attacks: `make bench-attack`.
//!
//! Coalmine beside HAProxy, each fresh for each attack and alone on its core; the attack comes at full speed from the
//! other core, at the lowest priority there, so that it does not take the good client's time. Everything stays on
//! loopback.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a harness talks to a terminal")]

mod arguments;
mod assault;
mod good;
mod kinds;
mod results;
mod run;
#[path = "../support/mod.rs"]
mod support;
mod verdict;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser as _;

use arguments::Arguments;
use results::Results;
use support::backend::Backends;
use support::certificate::Certificate;
use support::proxies::Job;
use support::report::Report;
use support::{process, tool};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if !arguments.run {
        println!("skipped: use make bench-attack");
        return ExitCode::SUCCESS;
    }
    support::exit_code(measure(&arguments))
}

/// Whether every proxy lived through every attack.
fn measure(arguments: &Arguments) -> Result<bool> {
    let peers = arguments.only.iter().filter_map(|kind| kind.system_program());
    tool::require(peers.chain(["setpriv", "taskset"]))?;
    process::settle()?;
    let dir = tempfile::tempdir()?;
    let backends = Backends::start()?;
    let certificate = Certificate::make(dir.path())?;
    let mut job = Job { certificate: Some(&certificate), ..Job::new(dir.path(), &backends) };
    let attacks = arguments.attacks()?;
    let mut report = Report::default();
    report.machine(&arguments.only, &[])?;
    report.line(format!("- {} rounds of {} s for each attack and proxy", arguments.rounds, arguments.seconds));
    let mut results: Vec<Results> =
        attacks.iter().flat_map(|attack| arguments.only.iter().map(|&kind| Results::new(attack.name, kind))).collect();
    let width = arguments.only.len();
    for round in 0..arguments.rounds as usize {
        for (row, attack) in attacks.iter().enumerate() {
            for turn in 0..width {
                let place = (turn + round) % width;
                let sample = run::one(&mut job, arguments.only[place], attack, arguments.seconds, &mut report)?;
                results[row * width + place].samples.push(sample);
            }
        }
    }
    results::print(&results, &mut report);
    verdict::print(&results, &mut report);
    report.end(arguments.markdown.as_deref())
}
