//! Entry point: see the library for the map.

use std::process::ExitCode;

use clap::Parser;
use coalmine::cli::Cli;
use mimalloc::MiMalloc;

/// Requests that run at once take and give back memory in bursts, for which the system's allocator has no fast way.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    coalmine::install_crypto();
    cli.run()
}
