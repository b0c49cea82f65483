//! nginx as an administrator sets it up for many keep-alive clients; buffers as it ships.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use rustix::process::getuid;

use super::{Doors, Job, write};

pub(super) fn configure(command: &mut Command, job: &Job<'_>, doors: Doors, dir: &Path) -> Result<()> {
    let file = dir.join("nginx.conf");
    let user = if getuid().is_root() { "user root;" } else { "" };
    let [a, b] = job.backends.stable;
    let canary = job.backends.canary;
    let place = dir.display();
    let Doors { plain, tls, h2c } = doors;
    let more = job.certificate.map_or_else(String::new, |certificate| {
        format!(
            "listen {tls} backlog=4096 ssl http2;
    listen {h2c} backlog=4096 http2;
    ssl_certificate {};
    ssl_certificate_key {};
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_ecdh_curve X25519;
    ssl_session_tickets on;",
            certificate.cert.display(),
            certificate.key.display()
        )
    });
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
    listen {plain} backlog=4096;
    {more}
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
