//! What the benches stand on that send requests: processes, ports, backends, load and the proxies under test.
#![allow(dead_code, reason = "each bench uses its own part")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a harness talks to a terminal")]

pub(crate) mod answers;
pub(crate) mod backend;
pub(crate) mod certificate;
pub(crate) mod client;
pub(crate) mod clock;
pub(crate) mod h2;
pub(crate) mod load;
pub(crate) mod port;
pub(crate) mod process;
pub(crate) mod procfs;
pub(crate) mod proxies;
pub(crate) mod redis;
pub(crate) mod report;
pub(crate) mod statistics;
pub(crate) mod tls;
pub(crate) mod tool;

/// What a harness ends with: 0; 1 when the figures are worthless; 2, and a word about it, when it could not run.
pub(crate) fn exit_code(measured: anyhow::Result<bool>) -> std::process::ExitCode {
    match measured {
        Ok(true) => std::process::ExitCode::SUCCESS,
        Ok(false) => std::process::ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            std::process::ExitCode::from(2)
        }
    }
}
