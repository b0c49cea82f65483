//! nginx as an administrator sets it up for many keep-alive clients; buffers as it ships.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use rustix::process::getuid;

use super::{Job, write};

pub(super) fn configure(command: &mut Command, job: &Job<'_>, addr: SocketAddr, dir: &Path) -> Result<()> {
    let file = dir.join("nginx.conf");
    let user = if getuid().is_root() { "user root;" } else { "" };
    let [a, b] = job.backends.stable;
    let canary = job.backends.canary;
    let place = dir.display();
    write(
        &file,
        &format!(
            r#"daemon off;
{user}
worker_processes 1;
pid {place}/nginx.pid;
error_log stderr error;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  sendfile on;
  tcp_nodelay on;
  keepalive_timeout 1h;
  keepalive_requests 1000000000;
  client_body_temp_path {place}/client_body;
  proxy_temp_path {place}/proxy;
  fastcgi_temp_path {place}/fastcgi;
  uwsgi_temp_path {place}/uwsgi;
  scgi_temp_path {place}/scgi;
  upstream bench {{
    server {a} weight=1;
    server {b} weight=1;
    server {canary} weight=1;
    keepalive 128;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
  }}
  server {{
    listen {addr} backlog=4096;
    location / {{
      proxy_pass http://bench;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }}
  }}
}}
"#
        ),
    )?;
    command.arg("-e").arg("stderr").arg("-p").arg(dir).arg("-c").arg(file);
    Ok(())
}
