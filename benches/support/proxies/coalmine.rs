//! Coalmine with everything on that it has by default: metrics, probes, and the alert watched.

use std::env;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use super::{Doors, Job, write};
use crate::support::backend::PROBE_PATH;
use crate::support::port;

/// `COALMINE_BIN`, else the one that this harness was built with.
pub(super) fn program() -> Result<PathBuf> {
    let program = env::var_os("COALMINE_BIN").map_or_else(|| env!("CARGO_BIN_EXE_coalmine").into(), PathBuf::from);
    if !program.is_file() {
        bail!("no coalmine at `{}`; build it, or set COALMINE_BIN", program.display());
    }
    if program.components().any(|part| part.as_os_str() == "debug") {
        eprintln!("warning: `{}` is a debug build; its figures say nothing", program.display());
    }
    Ok(program)
}

/// Gives the address and the path that tell when it is ready.
pub(super) fn configure(
    command: &mut Command,
    job: &Job<'_>,
    doors: Doors,
    dir: &Path,
) -> Result<(SocketAddr, &'static str)> {
    let file = dir.join("coalmine.toml");
    let admin = port::free()?;
    let redis = job.redis.as_ref().map_or_else(String::new, |url| format!("[redis]\nurl = \"{url}\"\n"));
    let [a, b] = job.backends.stable;
    let canary = job.backends.canary;
    let interval = job.probe_interval;
    let affinity = if job.affinity { "track" } else { "none" };
    let Doors { plain, tls, .. } = doors;
    let (https, certificate) = job.certificate.map_or_else(Default::default, |certificate| {
        let (cert, key) = (certificate.cert.display(), certificate.key.display());
        (format!("https = [\"{tls}\"]\n"), format!("[[tls.certificate]]\ncert = \"{cert}\"\nkey = \"{key}\"\n"))
    });
    let limits = job
        .exposed
        .filter(|exposed| exposed.requests > 0)
        .map_or_else(String::new, |exposed| format!("[limits]\nmax_requests = {}\n", exposed.requests));
    write(
        &file,
        &format!(
            r#"[listen]
http = ["{plain}"]
{https}workers = 1
[log]
access = "off"
[admin]
listen = "{admin}"
{certificate}{limits}{redis}[[service]]
name = "bench"
affinity = "{affinity}"
[service.stable]
weight = 2
backends = ["{a}", "{b}"]
[service.canary]
weight = 1
backends = ["{canary}"]
[service.alert]
key = "alert:bench"
[service.probe]
path = "{PROBE_PATH}"
interval = "{interval}"
rise = 1
"#
        ),
    )?;
    command.arg("serve").arg("-c").arg(file);
    Ok((admin, "/readyz"))
}
