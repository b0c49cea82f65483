//! How much of the processors is used.

use std::path::PathBuf;
use std::time::Instant;

use procfs::KernelStats;

use super::Missing;
use super::cgroup::{CpuGroup, number};

/// How much was used and could have been, in any one unit, since any one moment.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Usage {
    used: f64,
    /// Time that counts towards what could be used.
    time: Time,
    /// Of whom.
    of: Option<PathBuf>,
}

#[derive(Clone, Debug, PartialEq)]
enum Time {
    /// The sum over all processors, in the unit of `used`.
    Ticks(f64),
    /// When it was read, and how many processors may be used.
    At(Instant, f64),
}

/// Turns two looks into a share.
#[derive(Debug, Default)]
pub(super) struct Meter {
    last: Option<Usage>,
    /// The last share, which stands while no time has passed.
    share: Option<f64>,
}

impl Meter {
    /// Percent since the look before.
    pub(super) fn percent(&mut self, usage: Usage) -> Result<f64, Missing> {
        let Some(last) = self.last.as_ref().filter(|last| last.of == usage.of) else {
            (self.last, self.share) = (Some(usage), None);
            return Err(Missing::NotYet);
        };
        let could = match (&last.time, &usage.time) {
            (Time::Ticks(before), Time::Ticks(now)) => now - before,
            (Time::At(before, _), Time::At(now, processors)) => {
                now.saturating_duration_since(*before).as_secs_f64() * processors
            }
            _ => 0.0,
        };
        if could <= 0.0 {
            return self.share.ok_or(Missing::NotYet);
        }
        let share = ((usage.used - last.used) / could * 100.0).clamp(0.0, 100.0);
        (self.last, self.share) = (Some(usage), Some(share));
        Ok(share)
    }
}

/// Ticks of all processors.
#[expect(clippy::cast_precision_loss, reason = "ticks of centuries fit")]
pub(super) fn of_host(stats: &KernelStats) -> Usage {
    let time = &stats.total;
    let idle = time.idle + time.iowait.unwrap_or(0);
    let busy = time.user
        + time.nice
        + time.system
        + time.irq.unwrap_or(0)
        + time.softirq.unwrap_or(0)
        + time.steal.unwrap_or(0);
    Usage { used: busy as f64, time: Time::Ticks((busy + idle) as f64), of: None }
}

/// Seconds of one cgroup.
pub(super) fn of_cgroup(group: &CpuGroup, now: Instant) -> Result<Usage, Missing> {
    let used = match group.v2 {
        true => number(&group.usage, Some("usage_usec"))? / 1e6,
        false => number(&group.usage, None)? / 1e9,
    };
    Ok(Usage { used, time: Time::At(now, group.processors), of: Some(group.usage.clone()) })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn host(used: f64, all: f64) -> Usage {
        Usage { used, time: Time::Ticks(all), of: None }
    }

    #[test]
    fn a_share_takes_two_looks_and_time_between_them() {
        let mut meter = Meter::default();
        assert_eq!(meter.percent(host(10.0, 100.0)), Err(Missing::NotYet));
        assert_eq!(meter.percent(host(10.0, 100.0)), Err(Missing::NotYet));
        assert_eq!(meter.percent(host(55.0, 200.0)), Ok(45.0));
        assert_eq!(meter.percent(host(55.0, 200.0)), Ok(45.0), "no time has passed");
        assert_eq!(meter.percent(host(155.0, 300.0)), Ok(100.0));
        assert_eq!(meter.percent(host(150.0, 400.0)), Ok(0.0), "counters that go back are no work");
    }

    #[test]
    fn a_cgroup_uses_a_share_of_what_it_may() {
        let start = Instant::now();
        let of = |path: &str, used, seconds, processors| Usage {
            used,
            time: Time::At(start + Duration::from_secs(seconds), processors),
            of: Some(path.into()),
        };
        let mut meter = Meter::default();
        assert_eq!(meter.percent(of("a", 1.0, 0, 0.5)), Err(Missing::NotYet));
        assert_eq!(meter.percent(of("a", 1.5, 2, 0.5)), Ok(50.0));
        assert_eq!(meter.percent(of("b", 9.0, 4, 0.5)), Err(Missing::NotYet), "another one");
    }
}
