//! What can be known of a host.

use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

/// Something of a host that has a value at each moment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostMetric {
    /// Time that processors worked, in percent of what the host or its cgroup may use.
    Cpu,
    /// Memory that is used, in percent of what there is.
    Memory,
    /// Bytes that can still be used.
    MemoryAvailable,
    /// The load average of the last minute for each processor.
    Load1,
    /// Share of the last 10 s in which something waited for it, in percent.
    Pressure(Resource),
    /// Space that is used in the file system of this path, in percent.
    Disk(Arc<str>),
    /// The number that a check gives.
    Check(Arc<str>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resource {
    Cpu,
    Memory,
    Io,
}

/// What the value of a metric counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Percent,
    Bytes,
    Number,
}

impl HostMetric {
    /// Those that every host may have.
    pub const COMMON: [Self; 7] = [
        Self::Cpu,
        Self::Memory,
        Self::MemoryAvailable,
        Self::Load1,
        Self::Pressure(Resource::Cpu),
        Self::Pressure(Resource::Memory),
        Self::Pressure(Resource::Io),
    ];

    pub fn unit(&self) -> Unit {
        match self {
            Self::Cpu | Self::Memory | Self::Pressure(_) | Self::Disk(_) => Unit::Percent,
            Self::MemoryAvailable => Unit::Bytes,
            Self::Load1 | Self::Check(_) => Unit::Number,
        }
    }
}

impl fmt::Display for HostMetric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Memory => f.write_str("memory"),
            Self::MemoryAvailable => f.write_str("memory_available"),
            Self::Load1 => f.write_str("load1"),
            Self::Pressure(Resource::Cpu) => f.write_str("pressure.cpu"),
            Self::Pressure(Resource::Memory) => f.write_str("pressure.memory"),
            Self::Pressure(Resource::Io) => f.write_str("pressure.io"),
            Self::Disk(path) => write!(f, "disk:{path}"),
            Self::Check(name) => write!(f, "check.{name}"),
        }
    }
}

impl Serialize for HostMetric {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
