//! One proxy under one attack.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::assault::Assault;
use crate::good::{self, Destination};
use crate::kinds::{Attack, Door};
use crate::results::Sample;
use crate::support::procfs;
use crate::support::proxies::{Exposed, Job, Kind};
use crate::support::report::Report;
use crate::support::statistics::{largest, percentile};

/// What the attack gets before the good client's answers count.
const HEAD_START: Duration = Duration::from_secs(1);
const MEMORY_EVERY: Duration = Duration::from_millis(50);

#[allow(clippy::cast_precision_loss)]
pub(crate) fn one(job: &mut Job<'_>, kind: Kind, attack: &Attack, seconds: u64, report: &mut Report) -> Result<Sample> {
    job.exposed = Some(Exposed { requests: attack.limit });
    let mut proxy = kind.start(job)?;
    let pid = proxy.process.pid();
    let (to, target) = match attack.door {
        Door::Plain => (Destination::plain(proxy.doors.plain), proxy.doors.plain),
        Door::Http2 => (Destination::plain(proxy.doors.plain), proxy.doors.h2c),
        Door::Tls => (Destination::tls(proxy.doors.tls)?, proxy.doors.tls),
    };
    let assault = Assault::start(attack, target)?;
    let begin = Instant::now() + HEAD_START;
    let end = begin + Duration::from_secs(seconds);
    let good = thread::spawn(move || good::ask(&to, begin, end));
    let before = procfs::cpu_time(pid)?;
    let mut memory = 0;
    while !good.is_finished() {
        memory = memory.max(procfs::resident(pid).unwrap_or(0));
        thread::sleep(MEMORY_EVERY);
    }
    let elapsed = (HEAD_START + begin.elapsed()).as_secs_f64();
    let experience = good.join().unwrap_or_default(); // a panic in it has been printed
    let force = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed) as f64 / elapsed;
    let (opened, bytes) = (force(&assault.force.opened), force(&assault.force.bytes));
    drop(assault);
    if let Some(status) = proxy.process.wait(Duration::ZERO) {
        report.error(format!("{} ended under `{}` ({status}):\n{}", kind.name(), attack.name, proxy.process.output()));
    }
    let spent = procfs::cpu_time(pid).unwrap_or(before) - before;
    let sample = Sample {
        p50: percentile(&experience.times, 0.5),
        p99: percentile(&experience.times, 0.99),
        max: largest(&experience.times),
        asked: experience.times.len() as u64,
        failed: experience.failed,
        memory: memory as f64 / 1_048_576.0,
        core: spent as f64 / 1e9 / elapsed,
        opened,
        bytes,
    };
    eprintln!(
        "{}, {}: p50 {:.2} ms, p99 {:.2} ms, {} of {} failed, {:.0} MiB, core {:.0} %",
        attack.name,
        kind.name(),
        sample.p50,
        sample.p99,
        sample.failed,
        sample.asked,
        sample.memory,
        sample.core * 100.0
    );
    Ok(sample)
}
