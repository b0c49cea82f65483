//! `coalmine status`.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, SystemTime};

use super::client::path;
use super::{Client, Place, table};

/// Between two looks with `--watch`.
const EACH: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// Only this one
    service: Option<String>,
    /// Print what the API says, for programs
    #[arg(long)]
    json: bool,
    /// Look again each second, until Ctrl-C
    #[arg(long, conflicts_with = "json")]
    watch: bool,
    #[command(flatten)]
    place: Place,
}

pub(super) async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let client = Client::new(&arguments.place)?;
    let mut read = print(&look(&client, arguments).await?)?;
    while arguments.watch && read {
        tokio::time::sleep(EACH).await;
        // A balancer that restarts comes back.
        let seen = look(&client, arguments).await.unwrap_or_else(|error| format!("{error:#}\n"));
        let clear = if io::stdout().is_terminal() { "\x1b[H\x1b[2J" } else { "\n" };
        read = print(&format!("{clear}{seen}"))?;
    }
    Ok(())
}

async fn look(client: &Client, arguments: &Arguments) -> anyhow::Result<String> {
    let path = arguments.service.as_ref().map_or_else(|| "/api/v1/services".to_owned(), |name| path(name, ""));
    let seen = client.get(&path).await?;
    Ok(if arguments.json { format!("{seen:#}\n") } else { table::render(&seen, SystemTime::now()) })
}

/// `false`: nobody reads any more.
fn print(text: &str) -> io::Result<bool> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        outcome => outcome.map(|()| true),
    }
}
