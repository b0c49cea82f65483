//! One server behind a service, as configured.

use std::fmt;
use std::num::NonZeroU16;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

/// A backend's identity within its service: its configured name, or else its address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BackendId(Arc<str>);

impl BackendId {
    pub fn new(id: impl Into<Arc<str>>) -> Self {
        Self(id.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BackendId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a backend listens. The host is a name or an IP address without brackets.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    pub host: Arc<str>,
    pub port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl Serialize for Endpoint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Where a backend is, and whether TLS is spoken there. Reads as it is written in the configuration.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    Network {
        endpoint: Endpoint,
        tls: bool,
    },
    /// The path of a socket.
    Unix(Arc<str>),
}

impl Address {
    /// What has to be resolved; `None` for a path.
    pub fn endpoint(&self) -> Option<&Endpoint> {
        match self {
            Self::Network { endpoint, .. } => Some(endpoint),
            Self::Unix(_) => None,
        }
    }

    /// The host that TLS is spoken with; `None` where none is spoken.
    pub fn tls_host(&self) -> Option<&str> {
        match self {
            Self::Network { endpoint, tls: true } => Some(&endpoint.host),
            Self::Network { .. } | Self::Unix(_) => None,
        }
    }

    /// What stands in `Host` when a request has none.
    pub fn authority(&self) -> String {
        self.endpoint().map_or_else(|| "localhost".to_owned(), Endpoint::to_string)
    }
}

impl From<Endpoint> for Address {
    fn from(endpoint: Endpoint) -> Self {
        Self::Network { endpoint, tls: false }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network { endpoint, tls: false } => endpoint.fmt(f),
            Self::Network { endpoint, tls: true } => write!(f, "https://{endpoint}"),
            Self::Unix(path) => write!(f, "unix:{path}"),
        }
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A backend's share among the backends of its track, 1 to 1000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct BackendWeight(NonZeroU16);

impl BackendWeight {
    pub const MAX: u16 = 1000;
    pub const ONE: Self = Self(NonZeroU16::MIN);

    /// `None` unless `weight` is 1 to 1000.
    pub fn new(weight: u16) -> Option<Self> {
        NonZeroU16::new(weight).filter(|weight| weight.get() <= Self::MAX).map(Self)
    }

    pub fn get(self) -> u32 {
        u32::from(self.0.get())
    }
}

/// A backend as configured. Serializes to the keys of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BackendSpec {
    #[serde(rename = "name")]
    pub id: BackendId,
    pub address: Address,
    pub weight: BackendWeight,
}
