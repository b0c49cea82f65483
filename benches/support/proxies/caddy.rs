//! Caddy; one worker is one processor for the Go scheduler.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::{Job, write};

pub(super) fn configure(command: &mut Command, job: &Job<'_>, addr: SocketAddr, dir: &Path) -> Result<()> {
    let file = dir.join("Caddyfile");
    let [a, b] = job.backends.stable;
    let canary = job.backends.canary;
    write(
        &file,
        &format!(
            "{{
  admin off
  auto_https off
  persist_config off
  log {{
    level ERROR
  }}
}}
http://:{port} {{
  bind {ip}
  reverse_proxy {a} {b} {canary} {{
    lb_policy round_robin
    transport http {{
      compression off
      keepalive_idle_conns_per_host 128
    }}
  }}
}}
",
            port = addr.port(),
            ip = addr.ip(),
        ),
    )?;
    command.arg("run").arg("--adapter").arg("caddyfile").arg("--config").arg(file);
    command.env("GOMAXPROCS", "1").env("HOME", dir).env("XDG_DATA_HOME", dir).env("XDG_CONFIG_HOME", dir);
    Ok(())
}
