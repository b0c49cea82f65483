//! The command line.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Parser;

use crate::kinds::{self, Attack};
use crate::support::proxies::Kind;

#[derive(Debug, Parser)]
pub(crate) struct Arguments {
    /// Measure; without it nothing is done, so that a plain `cargo bench` stays quick.
    #[arg(long)]
    pub(crate) run: bool,
    /// How often everything is measured; the order rotates.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,
    /// How long the good client is watched under each attack, after one second that does not count.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seconds: u64,
    /// Which attacks, by words of their names, instead of all.
    #[arg(long, value_delimiter = ',')]
    attacks: Vec<String>,
    /// Which proxies, instead of both.
    #[arg(long, value_delimiter = ',', default_value = "coalmine,haproxy")]
    pub(crate) only: Vec<Kind>,
    /// Also write the report to this file.
    #[arg(long)]
    pub(crate) markdown: Option<PathBuf>,
    #[arg(long, hide = true)]
    bench: bool,
}

impl Arguments {
    pub(crate) fn attacks(&self) -> Result<Vec<Attack>> {
        let wanted =
            |attack: &Attack| self.attacks.is_empty() || self.attacks.iter().any(|word| attack.name.contains(word));
        let attacks: Vec<Attack> = kinds::all()?.into_iter().filter(wanted).collect();
        if attacks.is_empty() {
            bail!("no attack is called `{}`", self.attacks.join(","));
        }
        Ok(attacks)
    }
}
