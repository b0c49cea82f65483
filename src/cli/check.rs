//! `coalmine check`: is this configuration right, and what does it say in full?

use std::path::Path;

use crate::config;

#[expect(clippy::print_stdout, reason = "the settings are what the command is for")]
pub(super) fn run(path: &Path) -> anyhow::Result<()> {
    let settings = config::check(path)?;
    print!("{}", config::render(&settings));
    Ok(())
}
