//! User instructions per request, which do not depend on what else the machine does.
//!
//! Two runs of N and of 2N requests; their difference has no start and no end in it. The alert store is in
//! memory and probes are rare, since what happens by the clock would count as what happens by request.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::support::client::Client;
use crate::support::h2::client as h2;
use crate::support::proxies::{Job, Kind};
use crate::support::report::Report;

const CONNECTIONS: u32 = 8;
const START: Duration = Duration::from_secs(120);
const STOP: Duration = Duration::from_secs(120);

/// Streams of each HTTP/2 connection.
const STREAMS: u32 = 8;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Visitors {
    /// Nobody is kept anywhere.
    Any,
    /// The same, by HTTP/2 on plain text.
    Http2,
    /// Without a cookie, and each gets one.
    New,
    /// With the cookie of an earlier answer.
    Returning,
}

impl Visitors {
    fn words(self) -> &'static str {
        match self {
            Self::Any => "affinity off",
            Self::Http2 => "affinity off, HTTP/2 on plain text, 8 streams each",
            Self::New => "affinity by track, new visitors",
            Self::Returning => "affinity by track, returning visitors",
        }
    }
}

pub(crate) fn measure(job: &mut Job<'_>, requests: u32, report: &mut Report) -> Result<()> {
    report.line(format!("- instructions per request, small body, {CONNECTIONS} connections:"));
    for visitors in [Visitors::Any, Visitors::Http2, Visitors::New, Visitors::Returning] {
        job.affinity = matches!(visitors, Visitors::New | Visitors::Returning);
        let short = count(job, visitors, requests)?;
        let long = count(job, visitors, requests * 2)?;
        #[allow(clippy::cast_precision_loss)]
        let each = (long as f64 - short as f64) / f64::from(requests);
        let (words, twice) = (visitors.words(), requests * 2);
        report.line(format!("  - {words}: {each:.0} ({requests} requests: {short}, {twice}: {long})"));
    }
    Ok(())
}

/// Instructions of a whole life with so many requests in it.
fn count(job: &Job<'_>, visitors: Visitors, requests: u32) -> Result<u64> {
    eprintln!("{requests} requests under callgrind");
    let out = job.dir.join("callgrind.out");
    let wrapper = ["valgrind".into(), "--tool=callgrind".into(), format!("--callgrind-out-file={}", out.display())];
    let mut proxy = Kind::Coalmine.start_under(job, &wrapper, START)?;
    if visitors == Visitors::Http2 {
        ask_http2(proxy.doors.h2c, requests)?;
    } else {
        ask(proxy.doors.plain, visitors, requests)?;
    }
    if proxy.process.stop(STOP).is_none_or(|status| !status.success()) {
        bail!("coalmine did not end well under callgrind:\n{}", proxy.process.output());
    }
    let output = proxy.process.output();
    let collected = output.lines().find_map(|line| line.split_once("Collected :")).context("callgrind said nothing")?;
    collected.1.trim().parse().with_context(|| format!("callgrind said `{}`", collected.1))
}

/// In step, so that both runs wake the proxy the same way.
fn ask(addr: SocketAddr, visitors: Visitors, requests: u32) -> Result<()> {
    let mut clients = (0..CONNECTIONS).map(|_| Client::connect(addr, "/")).collect::<std::io::Result<Vec<_>>>()?;
    if visitors == Visitors::Returning {
        clients.iter_mut().try_for_each(Client::keep_cookie)?;
    }
    for _ in 0..requests / CONNECTIONS {
        clients.iter_mut().try_for_each(Client::send)?;
        clients.iter_mut().try_for_each(Client::receive)?;
    }
    Ok(())
}

/// The same, with so many requests in flight on each connection.
fn ask_http2(addr: SocketAddr, requests: u32) -> Result<()> {
    let connect = |_| h2::Client::connect(addr, STREAMS);
    let mut clients = (0..CONNECTIONS).map(connect).collect::<std::io::Result<Vec<_>>>()?;
    for _ in 0..requests / CONNECTIONS / STREAMS {
        clients.iter_mut().try_for_each(h2::Client::send)?;
        clients.iter_mut().try_for_each(h2::Client::receive)?;
    }
    Ok(())
}
