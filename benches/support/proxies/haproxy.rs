//! HAProxy with one thread; with an agent, the canary is asked for every 100 ms and goes down at the first word.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::{Job, write};

pub(super) fn configure(command: &mut Command, job: &Job<'_>, addr: SocketAddr, dir: &Path) -> Result<()> {
    let file = dir.join("haproxy.cfg");
    let [a, b] = job.backends.stable;
    let canary = job.backends.canary;
    let agent = job.agent.map_or_else(String::new, |agent| {
        format!(" agent-check agent-addr {} agent-port {} agent-inter 100ms", agent.ip(), agent.port())
    });
    write(
        &file,
        &format!(
            "global
  nbthread 1
  maxconn 8192
defaults
  mode http
  timeout connect 1s
  timeout client 1h
  timeout server 1h
  timeout http-keep-alive 1h
  option forwardfor
  http-reuse always
frontend bench
  bind {addr}
  default_backend bench
backend bench
  balance roundrobin
  server stable-1 {a} weight 1
  server stable-2 {b} weight 1
  server canary {canary} weight 1{agent}
"
        ),
    )?;
    command.arg("-db").arg("-f").arg(file);
    Ok(())
}
