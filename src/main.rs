//! Entry point: see the library for the map.

use std::process::ExitCode;

use clap::Parser;
use coalmine::cli::Cli;

fn main() -> ExitCode {
    let cli = Cli::parse();
    coalmine::install_crypto();
    cli.run()
}
