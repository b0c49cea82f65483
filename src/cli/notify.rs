//! `coalmine notify`: do notices arrive?

use super::File;
use super::operate::Refused;
use super::serve::runtime;
use crate::model::NotifySettings;
use crate::{config, notify};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    file: File,
    /// Send one notice over each way
    #[arg(long, required = true)]
    test: bool,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let settings = config::load(&arguments.file.config)?;
    try_all(&settings.notify, &settings.balancer.name)
}

/// Sends one notice of a test over each way, and says how each went.
#[expect(clippy::print_stdout, reason = "how it went is what the command is for")]
pub(super) fn try_all(settings: &NotifySettings, source: &str) -> anyhow::Result<()> {
    let outcomes = runtime()?.block_on(notify::test(settings, source));
    if outcomes.is_empty() {
        anyhow::bail!("nobody is told: there is no [notify.mail] and no [[notify.webhook]]");
    }
    let mut failed = 0;
    for (way, outcome) in outcomes {
        match outcome {
            Ok(()) => println!("{way}: sent"),
            Err(reason) => {
                failed += 1;
                println!("{way}: {reason}");
            }
        }
    }
    if failed > 0 { Err(Refused(format!("{failed} did not go")).into()) } else { Ok(()) }
}
