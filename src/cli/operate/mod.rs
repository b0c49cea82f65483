//! The operator's commands: clients of a running balancer's admin API, one file for each and its opposite.

mod alert;
mod client;
mod drain;
mod ejection;
mod lease;
mod place;
mod reload;
mod status;
mod table;
mod weight;
mod wish;

use std::io::{self, Write};
use std::time::Duration;

use clap::Subcommand;
use serde_json::{Value, json};

use self::client::Client;
use self::place::Place;
use self::wish::{Recall, Wish};
use super::serve;

pub(super) use self::client::Refused;

#[derive(Debug, Subcommand)]
pub(super) enum Operate {
    /// Show services, tracks, backends, gates, and what operators have said
    #[command(after_help = "Example:\n  coalmine status\n  coalmine status shop --watch\n  \
        coalmine status shop --json | jq .gate")]
    Status(status::Arguments),
    /// Let the balancer read its configuration again
    #[command(after_help = "Example:\n  coalmine reload\n\n\
        A file with mistakes changes nothing: they are on standard error, and the exit code is 1.")]
    Reload(reload::Arguments),
    /// Override the weights of a service until --reset
    #[command(after_help = "Example:\n  coalmine weight shop 9:1\n  coalmine weight shop --reset")]
    Weight(weight::Arguments),
    /// Raise an alert: the canary of a service must not get traffic
    #[command(after_help = "Example:\n  coalmine alert shop \"error rate 7 %\"")]
    Alert(Wish),
    /// Remove the alert that was raised by hand
    #[command(after_help = "Example:\n  coalmine clear shop\n\nAlerts of other owners remain, and are named.")]
    Clear(Recall),
    /// Take the canary of a service out until it is readmitted
    #[command(after_help = "Example:\n  coalmine eject shop \"looks odd\"")]
    Eject(Wish),
    /// Let a canary that was taken out by hand prove itself again
    #[command(after_help = "Example:\n  coalmine readmit shop")]
    Readmit(Recall),
    /// Send a backend no new requests
    #[command(after_help = "Example:\n  coalmine drain shop web2 --wait 30s && ssh web2 reboot\n\n\
        With --wait the exit code is 1 when the backend still works after that time; the drain stays.")]
    Drain(drain::Drain),
    /// Let a backend get requests again
    #[command(after_help = "Example:\n  coalmine undrain shop web2")]
    Undrain(drain::Undrain),
    /// Ask for leave to take one backend of stable down; prints the id of the lease
    #[command(after_help = "Example:\n  id=$(coalmine lease shop web2 --ttl 5m) && ssh web2 upgrade\n  \
        coalmine release shop \"$id\"\n\nExit code 1: too few others are up, or another lease is out.")]
    Lease(lease::Lease),
    /// End a lease
    #[command(after_help = "Example:\n  coalmine release shop 5d3c0f0e8a4b4f6e9d0c1b2a39485766")]
    Release(lease::Release),
}

/// Who asks.
#[derive(Debug, clap::Args)]
struct By {
    /// Who asks, for the log and the other operators
    #[arg(long, value_name = "NAME", env = "USER", hide_env_values = true)]
    by: Option<String>,
}

impl Operate {
    pub(super) fn run(self) -> anyhow::Result<()> {
        serve::runtime()?.block_on(async {
            match self {
                Self::Status(arguments) => status::run(&arguments).await,
                Self::Reload(arguments) => reload::run(&arguments).await,
                Self::Weight(arguments) => weight::run(&arguments).await,
                Self::Alert(arguments) => alert::raise(&arguments).await,
                Self::Clear(arguments) => alert::clear(&arguments).await,
                Self::Eject(arguments) => ejection::eject(&arguments).await,
                Self::Readmit(arguments) => ejection::readmit(&arguments).await,
                Self::Drain(arguments) => drain::drain(&arguments).await,
                Self::Undrain(arguments) => drain::undrain(&arguments).await,
                Self::Lease(arguments) => lease::lease(&arguments).await,
                Self::Release(arguments) => lease::release(&arguments).await,
            }
        })
    }
}

impl By {
    /// The body that every change takes.
    fn saying(&self, reason: Option<&str>) -> Value {
        json!({ "reason": reason, "by": self.by })
    }
}

/// One line for who has asked.
fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// The time that a user has written.
fn time(text: &str) -> Result<Duration, humantime::DurationError> {
    humantime::parse_duration(text)
}

/// A time as the API takes it, exact to the millisecond.
fn written(time: Duration) -> String {
    format!("{}ms", time.as_millis())
}
