//! What the process as a whole is told, with every default filled in.

use std::net::SocketAddr;
use std::time::Duration;

use ipnet::IpNet;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::service::seconds;
use super::{AffinitySettings, Endpoint, LimitSettings, NotifySettings, Secret, ServiceSpec, TlsSettings};

/// Everything that the configuration says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Settings {
    pub listen: ListenSettings,
    pub tls: TlsSettings,
    pub limits: LimitSettings,
    pub log: LogSettings,
    pub admin: AdminSettings,
    /// Absent: alerts live in memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redis: Option<RedisSettings>,
    pub balancer: BalancerSettings,
    pub affinity: AffinitySettings,
    pub notify: NotifySettings,
    #[serde(rename = "service")]
    pub services: Vec<ServiceSpec>,
}

/// The front door.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ListenSettings {
    pub http: Vec<SocketAddr>,
    /// Addresses for TLS.
    pub https: Vec<SocketAddr>,
    /// Whether requests on plain text are sent to `https`.
    pub redirect_https: bool,
    /// Whether HTTP/2 is spoken.
    pub http2: bool,
    /// 0: one per core.
    pub workers: usize,
    /// Networks whose `X-Forwarded-*` are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Networks whose connections begin with a PROXY header.
    pub proxy_protocol: Vec<IpNet>,
    /// For the PROXY header and the TLS handshake together.
    #[serde(serialize_with = "seconds")]
    pub handshake_timeout: Duration,
    /// For a whole request head, from its first byte.
    #[serde(serialize_with = "seconds")]
    pub header_timeout: Duration,
    /// For a connection without a request.
    #[serde(serialize_with = "seconds")]
    pub idle_timeout: Duration,
    /// How long running requests may take to end after a stop was asked for.
    #[serde(serialize_with = "seconds")]
    pub drain: Duration,
    /// How long connections and requests are still taken after a stop was asked for, while `/readyz` says 503.
    #[serde(serialize_with = "seconds")]
    pub lame_duck: Duration,
    /// Whether `Via` is added.
    pub via: bool,
}

/// How clients speak to a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// On plain text.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// This balancer among others on the same Redis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BalancerSettings {
    /// Unique among them; by default the host's name.
    pub name: String,
}

/// What is written to the log, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogSettings {
    /// `RUST_LOG` syntax.
    pub level: String,
    pub format: LogFormat,
    pub access: AccessLog,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessLog {
    Off,
    Text,
    Json,
}

/// The operators' door.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AdminSettings {
    pub listen: SocketAddr,
    /// When set, every change needs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Secret>,
    /// A second address that serves metrics and health only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics_listen: Option<SocketAddr>,
}

/// The alert store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RedisSettings {
    #[serde(flatten)]
    pub place: RedisPlace,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub username: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    pub tls: bool,
    /// Before every key of ours.
    pub prefix: String,
}

/// Where Redis is found. Serializes to the keys of the configuration: `url`, or `sentinels` and `master`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedisPlace {
    Server {
        address: Endpoint,
        database: i64,
    },
    /// The primary that these sentinels name.
    Sentinel {
        sentinels: Vec<Endpoint>,
        master: String,
    },
}

impl Serialize for RedisPlace {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self {
            Self::Server { address, database } => {
                map.serialize_entry("url", &format!("redis://{address}/{database}"))?;
            }
            Self::Sentinel { sentinels, master } => {
                map.serialize_entry("sentinels", sentinels)?;
                map.serialize_entry("master", master)?;
            }
        }
        map.end()
    }
}
