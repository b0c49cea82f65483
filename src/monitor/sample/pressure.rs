//! How long something waited for a resource (pressure stall information).

use std::path::{Path, PathBuf};

use procfs::{CpuPressure, FromRead, IoPressure, MemoryPressure};

use super::Missing;
use crate::model::Resource;

/// Percent of the last 10 s in which some task waited. `cgroup` is a directory; without one it is the host's.
pub(super) fn read(resource: Resource, cgroup: Option<&Path>) -> Result<f64, Missing> {
    let name = match resource {
        Resource::Cpu => "cpu",
        Resource::Memory => "memory",
        Resource::Io => "io",
    };
    let path = match cgroup {
        Some(directory) => directory.join(format!("{name}.pressure")),
        None => PathBuf::from("/proc/pressure").join(name),
    };
    let some = match resource {
        Resource::Cpu => CpuPressure::from_file(&path).map(|pressure| pressure.some),
        Resource::Memory => MemoryPressure::from_file(&path).map(|pressure| pressure.some),
        Resource::Io => IoPressure::from_file(&path).map(|pressure| pressure.some),
    };
    match some {
        Ok(some) => Ok(f64::from(some.avg10)),
        Err(error) => Err(Missing::Unreadable(format!(
            "{error}; this kernel gives no pressure stall information (before 4.20, without CONFIG_PSI, or psi=0)"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_the_last_10_seconds_is_read_and_a_kernel_without_it_says_so() {
        let directory = tempfile::tempdir().unwrap();
        let text = "some avg10=12.50 avg60=3.00 avg300=1.00 total=5\nfull avg10=1.00 avg60=0.00 avg300=0.00 total=1\n";
        std::fs::write(directory.path().join("memory.pressure"), text).unwrap();
        assert_eq!(read(Resource::Memory, Some(directory.path())), Ok(12.5));
        let missing = read(Resource::Io, Some(directory.path())).unwrap_err().to_string();
        assert!(missing.contains("io.pressure") && missing.contains("psi=0"), "{missing}");
    }
}
