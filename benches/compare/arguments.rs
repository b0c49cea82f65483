//! The command line.

use std::path::PathBuf;

use clap::Parser;

use crate::rows::{ROWS, Row};
use crate::support::proxies::Kind;

#[derive(Debug, Parser)]
pub(crate) struct Arguments {
    /// Measure; without it nothing is done, so that a plain `cargo bench` stays quick.
    #[arg(long)]
    pub(crate) run: bool,
    /// How often everything is measured; the order rotates.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,
    /// Which rows, by words of their names, instead of all.
    #[arg(long, value_delimiter = ',')]
    rows: Vec<String>,
    /// How long each proxy gets each row in each round.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seconds: u64,
    /// Requests or handshakes in flight: keep-alive connections, or an eighth of them with eight streams each.
    #[arg(long, default_value_t = 64)]
    pub(crate) connections: u32,
    /// `all` adds Envoy, Traefik and Caddy.
    #[arg(long, env = "PEERS", default_value = "")]
    peers: String,
    /// Which proxies, instead of the usual ones.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Kind>,
    /// Open connections for the resident memory at rest.
    #[arg(long, default_value_t = 1000)]
    pub(crate) idle_connections: u32,
    /// Instead of all that: user instructions per request of Coalmine, under callgrind.
    #[arg(long)]
    pub(crate) instructions: bool,
    /// Requests of the shorter of the two callgrind runs.
    #[arg(long, default_value_t = 10_000)]
    pub(crate) requests: u32,
    /// Also write the report to this file.
    #[arg(long)]
    pub(crate) markdown: Option<PathBuf>,
    /// What cargo tells every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

impl Arguments {
    pub(crate) fn rows(&self) -> Vec<Row> {
        let wanted = |row: &Row| self.rows.is_empty() || self.rows.iter().any(|word| row.name.contains(word));
        ROWS.into_iter().filter(wanted).collect()
    }

    pub(crate) fn measures_all(&self) -> bool {
        self.rows.is_empty()
    }

    pub(crate) fn kinds(&self) -> Vec<Kind> {
        if self.instructions {
            vec![Kind::Coalmine]
        } else if !self.only.is_empty() {
            self.only.clone()
        } else if self.peers == "all" {
            Kind::ALL.to_vec()
        } else {
            Kind::DEFAULT.to_vec()
        }
    }
}
