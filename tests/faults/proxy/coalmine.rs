//! Coalmine from a copy of its program, which an upgrade replaces.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::{Job, Proxy};
use crate::backend::{Backend, PROBE_PATH};
use crate::monitor::Monitor;
use crate::support::coalmine::bare;
use crate::support::process::Process;
use crate::support::redis::free_address;
use crate::support::{Config, Service, client, eventually, for_a_while};
use crate::tagged::{Tag, signal};
use crate::timeline::Timeline;

/// How long a hand-over may take on a busy machine, and the old process to end after it.
const HAND_OVER: Duration = Duration::from_secs(30);

pub(super) struct Coalmine {
    http: SocketAddr,
    admin: SocketAddr,
    directory: PathBuf,
    /// The configuration that it was started with, and others that a reload goes through.
    files: Vec<String>,
    /// The process that serves.
    current: u32,
    /// Ends successors; first, so that none is left behind by the process below.
    tag: Tag,
    first: Process,
}

impl Coalmine {
    pub(super) fn start(job: &Job<'_>) -> Self {
        let (http, admin) = (free_address(), free_address());
        let directory = job.directory.to_owned();
        let files = files(job, http, admin);
        replace_program(&directory);
        write(&directory, &files[0]);
        let tag = Tag::new();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(directory.join("coalmine"));
        command.args(["serve", "-c"]).arg(directory.join("coalmine.toml"));
        let mut command = bare(command);
        tag.mark(&mut command);
        let mut first = Process::start(command);
        eventually("coalmine is ready", || {
            assert!(!first.has_ended(), "ended at the start: {}", first.stderr.text());
            let connection = client::Connection::try_open(admin);
            connection.is_ok_and(|mut connection| connection.get("/readyz").status() == 200)
        });
        Self { http, admin, directory, files, current: first.pid(), tag, first }
    }

    /// Waits for a process that was not there before.
    fn successor(&mut self) -> Result<u32, String> {
        let deadline = Instant::now() + HAND_OVER;
        while Instant::now() < deadline {
            if let Some(new) = self.tag.processes().into_iter().find(|pid| *pid != self.current) {
                return Ok(new);
            }
            if self.has_ended(self.current) {
                return Err("it ended without a successor".to_owned());
            }
            for_a_while(Duration::from_millis(5));
        }
        Err(format!("no successor within {HAND_OVER:?}"))
    }

    fn has_ended(&mut self, pid: u32) -> bool {
        // Waited for, or it would stay among the processes.
        self.first.has_ended();
        !self.tag.processes().contains(&pid)
    }
}

impl Proxy for Coalmine {
    fn address(&self) -> SocketAddr {
        self.http
    }

    fn monitor(&self, timeline: &Timeline) -> Option<Monitor> {
        Some(Monitor::start(self.admin, timeline.clone()))
    }

    fn reload(&mut self, turn: Option<usize>) -> Result<(), String> {
        write(&self.directory, &self.files[turn.unwrap_or(0) % self.files.len()]);
        let told = !self.has_ended(self.current) && signal(self.current, "HUP");
        if told { Ok(()) } else { Err("SIGHUP: it has ended".to_owned()) }
    }

    fn upgrade(&mut self) -> Result<(), String> {
        replace_program(&self.directory);
        let old = self.current;
        if self.has_ended(old) || !signal(old, "USR2") {
            return Err("SIGUSR2: it has ended".to_owned());
        }
        self.current = self.successor()?;
        let deadline = Instant::now() + HAND_OVER;
        while !self.has_ended(old) {
            if Instant::now() > deadline {
                return Err(format!("the old process is still there after {HAND_OVER:?}"));
            }
            for_a_while(Duration::from_millis(5));
        }
        Ok(())
    }

    fn log(&self) -> String {
        self.first.stderr.text()
    }
}

/// A new file in the place of the old one, as an installation does it.
fn replace_program(directory: &Path) {
    let new = directory.join("coalmine.new");
    fs::copy(env!("CARGO_BIN_EXE_coalmine"), &new).unwrap();
    fs::rename(new, directory.join("coalmine")).unwrap();
}

fn write(directory: &Path, text: &str) {
    let new = directory.join("coalmine.toml.new");
    fs::write(&new, text).unwrap();
    fs::rename(new, directory.join("coalmine.toml")).unwrap();
}

/// The first is the one that counts; each of the others changes something, and one is none at all.
fn files(job: &Job<'_>, http: SocketAddr, admin: SocketAddr) -> Vec<String> {
    let all: Vec<_> = job.stable.iter().collect();
    let config = |service: Service| {
        let config = Config::new().listen(&format!("http = [\"{http}\"]")).listen("workers = 2\ndrain = \"5s\"");
        let config = config.admin(&format!("listen = \"{admin}\"")).service(service);
        match job.redis {
            Some(redis) => config.redis(redis),
            None => config,
        }
    };
    let web = |stable: &[&Backend], weights: (u16, u16), response: &str| {
        let quick = "interval = \"200ms\"\ntimeout = \"1s\"\nfall = 1";
        // Patient, so that a machine that has no time takes no good backend out.
        let patient = "interval = \"250ms\"\ntimeout = \"2s\"\nfall = 3";
        Service::new("web")
            .key("served_by_header = true")
            .table("timeout", &format!("connect = \"1s\"\nresponse = \"{response}\""))
            .table("stable", &track(weights.0, stable))
            .table("canary", &track(weights.1, &[job.canary]))
            .table("stable.probe", patient)
            .table("canary.probe", quick)
            .probe(&format!("path = \"{PROBE_PATH}\""))
            .probe("rise = 2")
    };
    let other = Service::new("other").key("path_prefix = \"/other\"").table("stable", &track(1, &all));
    let usual = || config(web(&all, (2, 1), "2s"));
    vec![
        usual().text(),
        config(web(&all, (4, 2), "2s")).text(),
        "this is no configuration".to_owned(),
        usual().service(other).text(),
        config(web(&all[1..], (2, 1), "2s")).text(),
        config(web(&all, (2, 1), "3s")).text(),
    ]
}

fn track(weight: u16, backends: &[&Backend]) -> String {
    let named = |backend: &&Backend| format!("{{ address = \"{}\", name = \"{}\" }}", backend.address, backend.id);
    let backends: Vec<_> = backends.iter().map(named).collect();
    format!("weight = {weight}\nbackends = [{}]", backends.join(", "))
}
