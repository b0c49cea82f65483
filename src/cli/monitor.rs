//! `coalmine monitor`: the agent of a host.

use std::path::PathBuf;

use super::notify::try_all;
use super::serve::runtime;
use crate::model::{MonitorSettings, NotifySettings};
use crate::monitor::{self, Finding};
use crate::{app, config, telemetry};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Configuration file (TOML); `COALMINE_MONITOR_` variables override it
    #[arg(short, long, value_name = "FILE", env = "COALMINE_MONITOR_CONFIG")]
    #[arg(default_value = "/etc/coalmine/monitor.toml")]
    config: PathBuf,
    #[command(flatten)]
    task: Task,
}

/// What to do in place of watching.
#[derive(Debug, clap::Args)]
#[group(multiple = false)]
struct Task {
    /// Validate the configuration, print it with every default, and name the metrics that this host cannot give
    #[arg(long)]
    check: bool,
    /// Sample every metric and run every check once, print the values and exit
    #[arg(long)]
    once: bool,
    /// Send one mail of a test and exit
    #[arg(long)]
    test_mail: bool,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let settings = config::load_monitor(&arguments.config)?;
    if arguments.task.test_mail {
        let mail = NotifySettings { webhooks: Vec::new(), ..settings.notify };
        return try_all(&mail, &settings.host);
    }
    let runtime = runtime()?;
    let outcome = match &arguments.task {
        Task { check: true, .. } => {
            runtime.block_on(check(&settings));
            Ok(())
        }
        Task { once: true, .. } => {
            runtime.block_on(once(&settings));
            Ok(())
        }
        Task { .. } => {
            telemetry::init(&settings.log);
            runtime.block_on(app::watch_host(settings))
        }
    };
    // A look at a file system that is gone may never come back.
    runtime.shutdown_background();
    outcome
}

/// The whole output is a configuration: what the host cannot give are comments.
#[expect(clippy::print_stdout, reason = "the settings are what the command is for")]
async fn check(settings: &MonitorSettings) {
    print!("{}", config::render(settings));
    let missing = monitor::missing(settings).await;
    if !missing.is_empty() {
        println!("\n# This host does not give:");
    }
    for (metric, reason) in missing {
        println!("# {metric}: {reason}");
    }
}

#[expect(clippy::print_stdout, reason = "the values are what the command is for")]
async fn once(settings: &MonitorSettings) {
    let findings = monitor::survey(settings).await;
    let width = findings.iter().map(|finding| finding.metric.to_string().len()).max().unwrap_or(0);
    for Finding { metric, value } in findings {
        let value = value.unwrap_or_else(|reason| format!("-  ({reason})"));
        println!("{:width$}  {value}", metric.to_string());
    }
}
