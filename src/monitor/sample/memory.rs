//! How much of the memory is used.

use procfs::{Current, Meminfo};

use super::cgroup::{Cgroups, number};
use super::{Missing, unreadable};

/// Bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Memory {
    total: f64,
    /// Without what can be given back at once.
    used: f64,
    /// What is left on the host, which may be less than a cgroup's limit leaves.
    left: f64,
}

impl Memory {
    pub(super) fn used_percent(self) -> f64 {
        (self.used / self.total * 100.0).clamp(0.0, 100.0)
    }

    pub(super) fn available(self) -> f64 {
        (self.total - self.used).min(self.left).max(0.0)
    }
}

#[expect(clippy::cast_precision_loss, reason = "no host has so much memory")]
pub(super) fn read(cgroups: &Cgroups) -> Result<Memory, Missing> {
    let host = Meminfo::current().map_err(|error| unreadable("/proc/meminfo", &error))?;
    let total = host.mem_total as f64;
    let left = host.mem_available.unwrap_or(host.mem_free) as f64;
    let Some(group) = cgroups.memory(total)? else {
        return Ok(Memory { total, used: total - left, left });
    };
    // File pages that were not used lately go first when memory is asked for.
    let spare = number(&group.stat, Some(group.spare)).unwrap_or(0.0);
    let used = (number(&group.usage, None)? - spare).max(0.0);
    Ok(Memory { total: group.limit, used, left })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cgroup_has_no_more_left_than_the_host() {
        let roomy = Memory { total: 200.0, used: 50.0, left: 1000.0 };
        assert_eq!((roomy.used_percent(), roomy.available()), (25.0, 150.0));
        assert_eq!(Memory { left: 90.0, ..roomy }.available(), 90.0);
        assert_eq!(Memory { used: 300.0, ..roomy }.available(), 0.0);
    }
}
