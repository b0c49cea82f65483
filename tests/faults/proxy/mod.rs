//! The balancer on the stage: Coalmine, or one that is held beside it under the same faults.

mod coalmine;
mod haproxy;
mod nginx;

use std::net::SocketAddr;
use std::path::Path;

use crate::backend::Backend;
use crate::monitor::Monitor;
use crate::timeline::Timeline;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Coalmine,
    Nginx,
    Haproxy,
}

/// What a balancer is to serve.
pub(crate) struct Job<'a> {
    pub(crate) directory: &'a Path,
    pub(crate) stable: &'a [Backend],
    pub(crate) canary: &'a Backend,
    /// Lines of `[redis]`.
    pub(crate) redis: Option<&'a str>,
}

pub(crate) trait Proxy {
    fn address(&self) -> SocketAddr;

    /// What it says of its gate and backends, where it says that in a way that is known here.
    fn monitor(&self, timeline: &Timeline) -> Option<Monitor>;

    /// Tells it to read its configuration again, another one each time; `None`: the one it was started with.
    fn reload(&mut self, turn: Option<usize>) -> Result<(), String>;

    /// Replaces its program and lets a new process take over; returns when the old one has gone.
    fn upgrade(&mut self) -> Result<(), String>;

    /// What it has written.
    fn log(&self) -> String;
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Coalmine, Self::Nginx, Self::Haproxy];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Coalmine => "Coalmine",
            Self::Nginx => "nginx",
            Self::Haproxy => "HAProxy",
        }
    }

    pub(crate) fn start(self, job: &Job<'_>) -> Box<dyn Proxy> {
        match self {
            Self::Coalmine => Box::new(coalmine::Coalmine::start(job)),
            Self::Nginx => Box::new(nginx::Nginx::start(job)),
            Self::Haproxy => Box::new(haproxy::Haproxy::start(job)),
        }
    }
}
