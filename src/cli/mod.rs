//! The command line: one file for each subcommand. The only place, with `main`, that knows clap.

mod check;
mod demo;
mod monitor;
mod notify;
mod operate;
mod serve;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Exit code for a mistake in the command line, the configuration or the surroundings: nothing was started.
const EXIT_USAGE: u8 = 2;
/// Exit code for what a running balancer has understood and does not do.
const EXIT_REFUSED: u8 = 1;

/// A canary load balancer: exact weights, and the canary out the moment an alert or a probe says so.
#[derive(Debug, Parser)]
#[command(version, after_help = "Example:\n  coalmine demo\n  coalmine serve -c config/minimal.toml")]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Balance until SIGTERM or Ctrl-C
    #[command(after_help = "Example:\n  coalmine serve -c /etc/coalmine/coalmine.toml\n  \
        COALMINE_LISTEN__DRAIN=5s coalmine serve -c config/minimal.toml")]
    Serve(File),
    /// Validate a configuration and print it with every default filled in
    #[command(after_help = "Example:\n  coalmine check -c config/coalmine.toml\n\n\
        Exit code 0: valid. 2: not valid; every mistake is on standard error.")]
    Check(File),
    /// Watch this host, and raise the alerts of its rules, until SIGTERM or Ctrl-C
    #[command(after_help = "Example:\n  coalmine monitor -c /etc/coalmine/monitor.toml\n  \
        coalmine monitor -c config/monitor.toml --check\n  coalmine monitor -c config/monitor.toml --once\n\n\
        Exit code 2: the configuration is not valid; every mistake is on standard error.")]
    Monitor(monitor::Arguments),
    /// Show a canary being ejected and re-admitted, with nothing else installed
    #[command(after_help = "Example:\n  coalmine demo\n  coalmine demo --once --listen 127.0.0.1:8888")]
    Demo(demo::Arguments),
    /// Send a notice of a test over every way that is configured
    #[command(after_help = "Example:\n  coalmine notify --test -c /etc/coalmine/coalmine.toml\n\n\
        Exit code 0: all went. 1: one did not; the server's own words are beside it. 2: a mistake in the configuration.")]
    Notify(notify::Arguments),
    #[command(flatten)]
    Operate(operate::Operate),
}

/// The configuration file.
#[derive(Debug, clap::Args)]
struct File {
    /// Configuration file (TOML); `COALMINE_` variables override it
    #[arg(short, long, value_name = "FILE", env = "COALMINE_CONFIG", default_value = "/etc/coalmine/coalmine.toml")]
    config: PathBuf,
}

impl Cli {
    /// Runs the subcommand. Every mistake is one clear message on standard error.
    pub fn run(self) -> ExitCode {
        let outcome = match self.command {
            Command::Serve(file) => serve::run(&file.config),
            Command::Check(file) => check::run(&file.config),
            Command::Monitor(arguments) => monitor::run(&arguments),
            Command::Demo(arguments) => demo::run(&arguments),
            Command::Notify(arguments) => notify::run(&arguments),
            Command::Operate(command) => command.run(),
        };
        match outcome {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error),
        }
    }
}

#[expect(clippy::print_stderr, reason = "the last word of the program")]
fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("coalmine: {error:#}");
    ExitCode::from(if error.is::<operate::Refused>() { EXIT_REFUSED } else { EXIT_USAGE })
}
