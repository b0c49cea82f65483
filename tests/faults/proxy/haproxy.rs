//! HAProxy as well as it can do the job: probes, live observation, and a second try on another server.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::{Job, Proxy};
use crate::backend::PROBE_PATH;
use crate::monitor::Monitor;
use crate::support::process::Process;
use crate::support::redis::free_address;
use crate::support::{Connection, eventually, for_a_while};
use crate::tagged::{Tag, signal};
use crate::timeline::Timeline;

pub(super) struct Haproxy {
    address: SocketAddr,
    /// Ends the workers.
    tag: Tag,
    master: Process,
}

impl Haproxy {
    pub(super) fn start(job: &Job<'_>) -> Self {
        let address = free_address();
        let file = job.directory.join("haproxy.cfg");
        fs::write(&file, configuration(job, address)).unwrap();
        let program = if Path::new("/usr/sbin/haproxy").exists() { "/usr/sbin/haproxy" } else { "haproxy" };
        let tag = Tag::new();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM", "--", program, "-W", "-db", "-f"]).arg(file);
        tag.mark(&mut command);
        let mut master = Process::start(command);
        eventually("HAProxy answers", || {
            assert!(!master.has_ended(), "ended at the start: {}", master.stderr.text());
            Connection::try_open(address).is_ok()
        });
        Self { address, tag, master }
    }
}

impl Proxy for Haproxy {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn monitor(&self, _: &Timeline) -> Option<Monitor> {
        None
    }

    fn reload(&mut self, _: Option<usize>) -> Result<(), String> {
        if signal(self.master.pid(), "USR2") { Ok(()) } else { Err("SIGUSR2: it has ended".to_owned()) }
    }

    /// A reload starts the program anew: there is no other way, and needs none.
    fn upgrade(&mut self) -> Result<(), String> {
        let before = self.tag.processes();
        self.reload(None)?;
        eventually("a new worker runs", || self.tag.processes().iter().any(|pid| !before.contains(pid)));
        for_a_while(std::time::Duration::from_secs(1));
        Ok(())
    }

    fn log(&self) -> String {
        self.master.stderr.text()
    }
}

fn configuration(job: &Job<'_>, address: SocketAddr) -> String {
    let stable: String = job
        .stable
        .iter()
        .map(|it| format!("  server {} {} weight 20 check inter 250ms fall 3 rise 2\n", it.id, it.address))
        .collect();
    let canary = job.canary.address;
    let socket = job.directory.join("haproxy.sock");
    let socket = socket.display();
    format!(
        "global
  nbthread 2
  hard-stop-after 10s
  stats socket {socket} expose-fd listeners
defaults
  mode http
  timeout connect 1s
  timeout client 60s
  timeout server 2s
  timeout check 1s
  timeout queue 2s
  retries 2
  option redispatch 1
  retry-on conn-failure empty-response junk-response response-timeout 500 502 503 504
  http-reuse safe
frontend web
  bind {address}
  http-request disable-l7-retry unless {{ method GET HEAD OPTIONS }}
  default_backend web
backend web
  balance roundrobin
  option httpchk GET {PROBE_PATH}
{stable}  server canary {canary} weight 30 check inter 200ms fall 1 rise 2 observe layer7 error-limit 5 on-error mark-down
"
    )
}
