//! A primary, a replica, and a sentinel that lets the replica take over.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use tempfile::TempDir;

use crate::support::process::Process;
use crate::support::redis::free_address;
use crate::support::{Redis, eventually};

pub(crate) const MASTER: &str = "stage";

pub(crate) struct Sentinel {
    pub(crate) address: SocketAddr,
    pub(crate) primary: Redis,
    pub(crate) replica: Redis,
    _process: Process,
    _directory: TempDir,
}

impl Sentinel {
    /// Returns when the replica follows and the sentinel knows it.
    pub(crate) fn start() -> Self {
        let (address, primary, replica) = (free_address(), Redis::start(), Redis::start());
        let port = primary.address.port().to_string();
        replica.cli(&["REPLICAOF", "127.0.0.1", &port]);
        eventually("the replica follows", || replica.cli(&["INFO", "replication"]).contains("master_link_status:up"));
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("sentinel.conf");
        let text = format!(
            "bind 127.0.0.1\nport {}\nsentinel monitor {MASTER} 127.0.0.1 {port} 1\n\
             sentinel down-after-milliseconds {MASTER} 1000\nsentinel failover-timeout {MASTER} 5000\n",
            address.port()
        );
        fs::write(&file, text).unwrap();
        let mut command = Command::new("redis-server");
        command.arg(file).arg("--sentinel").current_dir(directory.path());
        let process = Process::start(command);
        let sentinel = Self { address, primary, replica, _process: process, _directory: directory };
        let known = sentinel.replica.address.port().to_string();
        eventually("the sentinel knows the replica", || sentinel.asked("SLAVES").contains(&known));
        sentinel
    }

    fn asked(&self, what: &str) -> String {
        let mut command = Command::new("redis-cli");
        command.args(["-p", &self.address.port().to_string(), "SENTINEL", what, MASTER]);
        String::from_utf8_lossy(&command.output().unwrap().stdout).into_owned()
    }

    /// Lines of `[redis]`.
    pub(crate) fn redis_lines(&self) -> String {
        format!("sentinels = [\"{}\"]\nmaster = \"{MASTER}\"", self.address)
    }

    pub(crate) fn replica_leads(&self) -> bool {
        self.replica.cli(&["INFO", "replication"]).contains("role:master")
    }
}
