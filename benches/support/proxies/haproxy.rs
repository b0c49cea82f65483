//! HAProxy with one thread; with an agent, the canary is asked for every 100 ms and goes down at the first word.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::{Doors, Exposed, Job, write};

pub(super) fn configure(command: &mut Command, job: &Job<'_>, doors: Doors, dir: &Path) -> Result<()> {
    let file = dir.join("haproxy.cfg");
    let [a, b] = job.backends.stable;
    let canary = job.backends.canary;
    let agent = job.agent.map_or_else(String::new, |agent| {
        format!(" agent-check agent-addr {} agent-port {} agent-inter 100ms", agent.ip(), agent.port())
    });
    let Doors { plain, tls, h2c } = doors;
    let more = job.certificate.map_or_else(String::new, |certificate| {
        let both = certificate.both.display();
        format!("  bind {tls} ssl crt {both} alpn h2,http/1.1 curves X25519\n  bind {h2c} proto h2\n")
    });
    let (patience, queue) = match job.exposed {
        None => ("  timeout client 1h\n  timeout http-keep-alive 1h\n", String::new()),
        Some(Exposed { requests }) => (
            "  timeout client 60s\n  timeout http-keep-alive 60s\n  timeout http-request 10s\n  timeout queue 1s\n",
            if requests > 0 { format!(" maxconn {}", requests.div_ceil(3)) } else { String::new() },
        ),
    };
    write(
        &file,
        &format!(
            "global
  nbthread 1
  maxconn 8192
defaults
  mode http
  timeout connect 1s
  timeout server 1h
{patience}  option forwardfor
  http-reuse always
frontend bench
  bind {plain}
{more}  default_backend bench
backend bench
  balance roundrobin
  server stable-1 {a} weight 1{queue}
  server stable-2 {b} weight 1{queue}
  server canary {canary} weight 1{queue}{agent}
"
        ),
    )?;
    command.arg("-db").arg("-f").arg(file);
    Ok(())
}
