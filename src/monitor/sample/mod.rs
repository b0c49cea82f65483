//! What the host is at a moment.
//!
//! - `cgroup`: what of the host may be used. `cpu`, `memory`, `pressure`: the numbers. `disk`: one that may hang.

mod cgroup;
mod cpu;
mod disk;
mod memory;
mod pressure;

use std::time::Instant;

use procfs::{Current, CurrentSI, KernelStats, LoadAverage};

pub(super) use disk::used as disk_used;

use crate::model::{HostMetric, Resource};
use cgroup::Cgroups;
use cpu::Meter;

/// Why there is no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Missing {
    /// It takes two looks, or one that has not come back.
    #[error("there is no value yet")]
    NotYet,
    #[error("{0}")]
    Unreadable(String),
}

/// Reads a host's metrics. Files of the kernel only, so that no read waits.
#[derive(Debug)]
pub(super) struct Sampler {
    cgroups: Cgroups,
    cpu: Meter,
}

impl Sampler {
    /// `cgroup` is watched in place of the host; empty: found.
    pub(super) fn new(cgroup: &str) -> Self {
        Self { cgroups: Cgroups::of_this_process(cgroup), cpu: Meter::default() }
    }

    /// What `metric` is now. Disks and checks are not for here.
    pub(super) fn sample(&mut self, metric: &HostMetric, now: Instant) -> Result<f64, Missing> {
        match metric {
            HostMetric::Cpu => self.cpu(now),
            HostMetric::Memory => Ok(memory::read(&self.cgroups)?.used_percent()),
            HostMetric::MemoryAvailable => Ok(memory::read(&self.cgroups)?.available()),
            HostMetric::Load1 => load(),
            HostMetric::Pressure(resource) => self.pressure(*resource),
            HostMetric::Disk(_) | HostMetric::Check(_) => Err(Missing::NotYet),
        }
    }

    fn cpu(&mut self, now: Instant) -> Result<f64, Missing> {
        let usage = match self.cgroups.cpu()? {
            Some(group) => cpu::of_cgroup(&group, now)?,
            None => cpu::of_host(&stats()?),
        };
        self.cpu.percent(usage)
    }

    fn pressure(&self, resource: Resource) -> Result<f64, Missing> {
        pressure::read(resource, self.cgroups.pressure(resource)?.as_deref())
    }
}

fn stats() -> Result<KernelStats, Missing> {
    KernelStats::current().map_err(|error| unreadable("/proc/stat", &error))
}

fn load() -> Result<f64, Missing> {
    let load = LoadAverage::current().map_err(|error| unreadable("/proc/loadavg", &error))?;
    let processors = u32::try_from(stats()?.cpu_time.len().max(1)).unwrap_or(u32::MAX);
    Ok(f64::from(load.one) / f64::from(processors))
}

fn unreadable(what: &str, error: &dyn std::fmt::Display) -> Missing {
    Missing::Unreadable(format!("{what}: {error}"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn this_host_has_a_processor_memory_and_load() {
        let mut sampler = Sampler::new("");
        let start = Instant::now();
        assert!(matches!(sampler.sample(&HostMetric::Cpu, start), Err(Missing::NotYet)));
        let memory = sampler.sample(&HostMetric::Memory, start).unwrap();
        assert!((0.0..=100.0).contains(&memory), "{memory}");
        assert!(sampler.sample(&HostMetric::MemoryAvailable, start).unwrap() > 0.0);
        assert!(sampler.sample(&HostMetric::Load1, start).unwrap() >= 0.0);
        let deadline = start + Duration::from_secs(10);
        let cpu = loop {
            match sampler.sample(&HostMetric::Cpu, Instant::now()) {
                Ok(percent) => break percent,
                Err(missing) => assert!(Instant::now() < deadline, "{missing}"),
            }
        };
        assert!((0.0..=100.0).contains(&cpu), "{cpu}");
    }

    #[test]
    fn a_cgroup_that_is_not_there_gives_no_value_and_says_so() {
        let mut sampler = Sampler::new("/no.such.slice");
        for metric in [HostMetric::Cpu, HostMetric::Memory, HostMetric::Pressure(Resource::Io)] {
            let missing = sampler.sample(&metric, Instant::now()).unwrap_err().to_string();
            assert!(missing.contains("no.such.slice"), "{missing}");
        }
    }
}
