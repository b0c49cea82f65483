//! Traefik with a file provider; one worker is one processor for the Go scheduler.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::{Job, write};

pub(super) fn configure(command: &mut Command, job: &Job<'_>, addr: SocketAddr, dir: &Path) -> Result<()> {
    let (fixed, dynamic) = (dir.join("traefik.yml"), dir.join("dynamic.yml"));
    let [a, b] = job.backends.stable;
    let canary = job.backends.canary;
    write(
        &fixed,
        &format!(
            "global:
  checkNewVersion: false
  sendAnonymousUsage: false
log:
  level: ERROR
entryPoints:
  bench:
    address: \"{addr}\"
    transport:
      respondingTimeouts:
        idleTimeout: 3600s
providers:
  file:
    filename: \"{}\"
    watch: false
",
            dynamic.display()
        ),
    )?;
    write(
        &dynamic,
        &format!(
            "http:
  routers:
    bench:
      entryPoints: [bench]
      rule: PathPrefix(`/`)
      service: bench
  services:
    bench:
      loadBalancer:
        serversTransport: bench
        servers:
          - url: http://{a}
          - url: http://{b}
          - url: http://{canary}
  serversTransports:
    bench:
      maxIdleConnsPerHost: 128
"
        ),
    )?;
    command.arg(format!("--configFile={}", fixed.display())).env("GOMAXPROCS", "1");
    Ok(())
}
