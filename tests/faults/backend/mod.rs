//! A backend in a process of its own, which can be killed, frozen, cut off and told to misbehave, and whose log of
//! what it was given outlives it.

pub(crate) mod log;
pub(crate) mod mode;
mod serve;

pub(crate) use serve::answer_text;

use std::env;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::network::{Filter, Link};
use crate::support::eventually::eventually;
use crate::support::process::Process;
use crate::support::redis::free_address;
use log::Given;
use mode::Mode;

/// Asked for by probes; never logged.
pub(crate) const PROBE_PATH: &str = "/health";
/// Carries a request's number, which nobody else has.
pub(crate) const NUMBER: &str = "x-fault-number";
/// Which backend answered.
pub(crate) const ANSWERED_BY: &str = "x-backend";

const ID: &str = "FAULT_BACKEND_ID";
const LISTEN: &str = "FAULT_BACKEND_LISTEN";
const LOG: &str = "FAULT_BACKEND_LOG";
const LISTENING: &str = "backend listens";

pub(crate) struct Backend {
    pub(crate) id: String,
    /// The same over all restarts.
    pub(crate) address: SocketAddr,
    log: PathBuf,
    place: Place,
    mode: Mode,
    process: Option<Process>,
}

/// Where the process runs.
enum Place {
    Here,
    /// In a network namespace of its own; the link is there while the process is.
    Apart(Option<Link>),
}

impl Backend {
    pub(crate) fn start(id: &str, directory: &Path) -> Self {
        Self::start_at(id, directory, free_address(), Place::Here)
    }

    /// Behind a link that can be cut. Needs what [`crate::network::missing`] looks for.
    pub(crate) fn start_apart(id: &str, directory: &Path) -> Self {
        let address = SocketAddr::new(Link::subnet().1.into(), free_address().port());
        Self::start_at(id, directory, address, Place::Apart(None))
    }

    fn start_at(id: &str, directory: &Path, address: SocketAddr, place: Place) -> Self {
        let log = directory.join(format!("{id}.log"));
        let mut backend = Self { id: id.to_owned(), address, log, place, mode: Mode::default(), process: None };
        backend.restart();
        backend
    }

    /// Starts it on its own address, well.
    pub(crate) fn restart(&mut self) {
        self.kill();
        let apart = matches!(self.place, Place::Apart(_));
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]);
        if apart {
            command.args(["unshare", "--net", "--"]);
        }
        command.arg(env::current_exe().unwrap()).args(["--exact", "backend::serve::entry", "--nocapture"]);
        let listen = if apart { SocketAddr::from(([0, 0, 0, 0], self.address.port())) } else { self.address };
        command.env(ID, &self.id).env(LISTEN, listen.to_string()).env(LOG, &self.log);
        let process = Process::start(command);
        eventually("the backend's process listens", || process.stdout.text().contains(LISTENING));
        if let Place::Apart(link) = &mut self.place {
            *link = Some(Link::to(process.pid()));
        }
        self.process = Some(process);
        self.mode = Mode::default();
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        if let Place::Apart(link) = &mut self.place {
            *link = None;
        }
        self.process = None;
    }

    pub(crate) fn freeze(&mut self) {
        self.running().signal("STOP");
    }

    pub(crate) fn thaw(&mut self) {
        self.running().signal("CONT");
    }

    pub(crate) fn behave(&mut self, mode: Mode) {
        self.mode = mode;
        self.running().tell(&mode.to_string());
    }

    /// What becomes of packets from and to it; `None`: they pass.
    pub(crate) fn filter(&self, filter: Option<Filter>) {
        let Place::Apart(Some(link)) = &self.place else { panic!("{} is not behind a link", self.id) };
        link.filter(filter);
    }

    /// What it was given so far, in all its lives.
    pub(crate) fn given(&self) -> Vec<Given> {
        log::read(&self.log)
    }

    fn running(&mut self) -> &mut Process {
        self.process.as_mut().expect("it is up")
    }
}
