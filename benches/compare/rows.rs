//! What is measured: loads, and the bar for each.

use anyhow::Result;

use crate::arguments::Arguments;
use crate::handshakes::{self, Handshake};
use crate::outcome::Outcome;
use crate::support::proxies::{Job, Proxy};
use crate::{h2load, wrk};

/// One table of the report.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) load: Load,
    /// For the ratio of Coalmine to the better of nginx and HAProxy: of processor time at most, of handshakes at least.
    pub(crate) bar: f64,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Load {
    /// HTTP/1.1 for a path, by wrk.
    Http1(&'static str),
    /// HTTP/2 for a path, by h2load, on TLS or with prior knowledge.
    Http2 {
        path: &'static str,
        tls: bool,
    },
    Handshakes(Handshake),
}

pub(crate) const ROWS: [Row; 7] = [
    Row { name: "small", load: Load::Http1("/"), bar: 0.92 },
    Row { name: "10 KiB", load: Load::Http1("/10k"), bar: 0.95 },
    Row { name: "1 MiB", load: Load::Http1("/1m"), bar: 0.80 },
    Row { name: "HTTP/2 over TLS, small", load: Load::Http2 { path: "/", tls: true }, bar: 0.95 },
    Row { name: "HTTP/2 on plain text, small", load: Load::Http2 { path: "/", tls: false }, bar: 0.95 },
    Row { name: "full handshakes", load: Load::Handshakes(Handshake::Full), bar: 1.10 },
    Row { name: "resumed handshakes", load: Load::Handshakes(Handshake::Resumed), bar: 1.10 },
];

impl Row {
    pub(crate) fn run(&self, job: &Job<'_>, proxy: &Proxy, arguments: &Arguments, seconds: u64) -> Result<Outcome> {
        let connections = arguments.connections;
        match self.load {
            Load::Http1(path) => wrk::run(job.dir, proxy.doors.plain, path, connections, seconds),
            Load::Http2 { path, tls } => {
                let url = if tls {
                    format!("https://{}{path}", proxy.doors.tls)
                } else {
                    format!("http://{}{path}", proxy.doors.h2c)
                };
                h2load::run(job.dir, &url, connections, seconds)
            }
            Load::Handshakes(kind) => handshakes::run(proxy.doors.tls, kind, connections, seconds),
        }
    }

    /// Whether a proxy without TLS and HTTP/2 takes part.
    pub(crate) fn is_http1(&self) -> bool {
        matches!(self.load, Load::Http1(_))
    }

    /// Whether each unit reaches a backend.
    pub(crate) fn is_forwarded(&self) -> bool {
        !self.counts_handshakes()
    }

    pub(crate) fn counts_handshakes(&self) -> bool {
        matches!(self.load, Load::Handshakes(_))
    }

    pub(crate) fn unit(&self) -> &'static str {
        if self.counts_handshakes() { "handshake" } else { "request" }
    }
}
