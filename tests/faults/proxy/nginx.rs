//! nginx as well as it can do the job: it learns from live requests, and sends failed ones to the next server.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::{Job, Proxy};
use crate::monitor::Monitor;
use crate::stage::{PATIENCE, within};
use crate::support::redis::free_address;
use crate::support::{Connection, eventually, for_a_while};
use crate::tagged::{Tag, signal};
use crate::timeline::Timeline;

pub(super) struct Nginx {
    address: SocketAddr,
    directory: PathBuf,
    /// For what the signal to end should leave.
    _tag: Tag,
}

impl Nginx {
    pub(super) fn start(job: &Job<'_>) -> Self {
        let address = free_address();
        let directory = job.directory.to_owned();
        fs::write(directory.join("nginx.conf"), configuration(job, address)).unwrap();
        let program = if Path::new("/usr/sbin/nginx").exists() { "/usr/sbin/nginx" } else { "nginx" };
        let tag = Tag::new();
        let mut command = Command::new(program);
        command.args(["-e", "error.log", "-p"]).arg(&directory).arg("-c").arg(directory.join("nginx.conf"));
        tag.mark(&mut command);
        let output = command.output().unwrap();
        assert!(output.status.success(), "nginx: {}", String::from_utf8_lossy(&output.stderr));
        let nginx = Self { address, directory, _tag: tag };
        eventually("nginx answers", || nginx.master().is_some() && Connection::try_open(address).is_ok());
        nginx
    }

    fn master(&self) -> Option<u32> {
        fs::read_to_string(self.directory.join("nginx.pid")).ok()?.trim().parse().ok()
    }
}

impl Proxy for Nginx {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn monitor(&self, _: &Timeline) -> Option<Monitor> {
        None
    }

    fn reload(&mut self, _: Option<usize>) -> Result<(), String> {
        let told = self.master().is_some_and(|master| signal(master, "HUP"));
        if told { Ok(()) } else { Err("SIGHUP: it has ended".to_owned()) }
    }

    fn upgrade(&mut self) -> Result<(), String> {
        let old = self.master().ok_or("it has ended")?;
        signal(old, "USR2");
        if !within(PATIENCE, || self.master().is_some_and(|new| new != old)) {
            return Err("no new master wrote its number".to_owned());
        }
        signal(old, "QUIT");
        let gone = within(PATIENCE, || !Path::new(&format!("/proc/{old}")).exists());
        if gone { Ok(()) } else { Err("the old master is still there".to_owned()) }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.join("error.log")).unwrap_or_default()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // A master that is killed would leave its workers behind, so it is asked.
        for _ in 0..1000 {
            let Some(master) = self.master() else { return };
            signal(master, "TERM");
            for_a_while(Duration::from_millis(5));
        }
    }
}

fn configuration(job: &Job<'_>, address: SocketAddr) -> String {
    let place = job.directory.display();
    let stable: Vec<_> = job
        .stable
        .iter()
        .map(|backend| format!("    server {} weight=2 max_fails=3 fail_timeout=1s;\n", backend.address))
        .collect();
    let (stable, canary) = (stable.concat(), job.canary.address);
    // Workers of another user could not write below the directory.
    let user = if rustix::process::getuid().is_root() { "user root;" } else { "" };
    format!(
        r#"# A master takes the signal for an upgrade only in the background.
daemon on;
{user}
worker_processes 2;
worker_shutdown_timeout 5s;
pid {place}/nginx.pid;
error_log {place}/error.log error;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {place}/client_body;
  proxy_temp_path {place}/proxy;
  fastcgi_temp_path {place}/fastcgi;
  uwsgi_temp_path {place}/uwsgi;
  scgi_temp_path {place}/scgi;
  upstream web {{
    zone web 64k;
{stable}    server {canary} weight=3 max_fails=1 fail_timeout=1s;
    keepalive 32;
  }}
  server {{
    listen {address};
    location / {{
      proxy_pass http://web;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_connect_timeout 1s;
      proxy_read_timeout 2s;
      proxy_next_upstream error timeout http_500 http_502 http_503 http_504;
      proxy_next_upstream_tries 2;
    }}
  }}
}}
"#
    )
}
