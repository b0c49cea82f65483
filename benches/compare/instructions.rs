//! User instructions per request, which do not depend on what else the machine does.
//!
//! Two runs of N and of 2N requests; their difference has no start and no end in it. The alert store is in
//! memory and probes are rare, since what happens by the clock would count as what happens by request.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::report::Report;
use crate::support::client::Client;
use crate::support::proxies::{Job, Kind};

const CONNECTIONS: usize = 8;
const START: Duration = Duration::from_secs(120);
const STOP: Duration = Duration::from_secs(120);

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Visitors {
    /// Nobody is kept anywhere.
    Any,
    /// Without a cookie, and each gets one.
    New,
    /// With the cookie of an earlier answer.
    Returning,
}

impl Visitors {
    fn words(self) -> &'static str {
        match self {
            Self::Any => "affinity off",
            Self::New => "affinity by track, new visitors",
            Self::Returning => "affinity by track, returning visitors",
        }
    }
}

pub(crate) fn measure(job: &mut Job<'_>, requests: u32, report: &mut Report) -> Result<()> {
    report.line(format!("- instructions per request, small body, {CONNECTIONS} connections:"));
    for visitors in [Visitors::Any, Visitors::New, Visitors::Returning] {
        job.affinity = visitors != Visitors::Any;
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
    let mut clients =
        (0..CONNECTIONS).map(|_| Client::connect(proxy.addr, "/")).collect::<std::io::Result<Vec<_>>>()?;
    if visitors == Visitors::Returning {
        clients.iter_mut().try_for_each(Client::keep_cookie)?;
    }
    // In step, so that both runs wake the proxy the same way.
    for _ in 0..requests as usize / CONNECTIONS {
        for client in &mut clients {
            client.send()?;
        }
        for client in &mut clients {
            client.receive()?;
        }
    }
    drop(clients);
    if proxy.process.stop(STOP).is_none_or(|status| !status.success()) {
        bail!("coalmine did not end well under callgrind:\n{}", proxy.process.output());
    }
    let output = proxy.process.output();
    let collected = output.lines().find_map(|line| line.split_once("Collected :")).context("callgrind said nothing")?;
    collected.1.trim().parse().with_context(|| format!("callgrind said `{}`", collected.1))
}
