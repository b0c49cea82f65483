//! The configuration as written: strict about names and shapes, and the home of every default but the probes'.
//!
//! Text stays text here and numbers stay wide, so that [`super::resolve`] can report each wrong one with its key.

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Raw {
    pub(super) listen: RawListen,
    pub(super) log: RawLog,
    pub(super) admin: RawAdmin,
    pub(super) redis: Option<RawRedis>,
    pub(super) service: Vec<RawService>,
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct RawListen {
    pub(super) http: Vec<String>,
    pub(super) workers: i64,
    pub(super) trusted_proxies: Vec<String>,
    pub(super) header_timeout: String,
    pub(super) idle_timeout: String,
    pub(super) drain: String,
    pub(super) via: bool,
}

impl Default for RawListen {
    fn default() -> Self {
        Self {
            http: vec!["0.0.0.0:80".into()],
            workers: 0,
            trusted_proxies: Vec::new(),
            header_timeout: "10s".into(),
            idle_timeout: "60s".into(),
            drain: "30s".into(),
            via: true,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct RawLog {
    pub(super) level: String,
    pub(super) format: String,
    pub(super) access: String,
}

impl Default for RawLog {
    fn default() -> Self {
        Self { level: "info".into(), format: "text".into(), access: "off".into() }
    }
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct RawAdmin {
    pub(super) listen: String,
    pub(super) token_file: String,
    pub(super) metrics_listen: String,
}

impl Default for RawAdmin {
    fn default() -> Self {
        Self { listen: "127.0.0.1:9900".into(), token_file: String::new(), metrics_listen: String::new() }
    }
}

/// Empty text and an empty list mean: not written.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct RawRedis {
    pub(super) url: String,
    pub(super) sentinels: Vec<String>,
    pub(super) master: String,
    pub(super) username: String,
    pub(super) password_file: String,
    pub(super) tls: bool,
    pub(super) prefix: String,
}

impl RawRedis {
    /// Where Redis is when the table names neither a server nor sentinels.
    pub(super) const URL: &str = "redis://127.0.0.1:6379/0";
}

impl Default for RawRedis {
    fn default() -> Self {
        Self {
            url: String::new(),
            sentinels: Vec::new(),
            master: String::new(),
            username: String::new(),
            password_file: String::new(),
            tls: false,
            prefix: "coalmine:".into(),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct RawService {
    pub(super) name: Option<String>,
    pub(super) hosts: Vec<String>,
    pub(super) path_prefix: String,
    pub(super) balance: String,
    pub(super) served_by_header: bool,
    pub(super) timeout: RawTimeout,
    pub(super) pool: RawPool,
    pub(super) stable: Option<RawTrack>,
    pub(super) canary: Option<RawTrack>,
    pub(super) alert: RawAlert,
    pub(super) probe: RawProbe,
}

impl Default for RawService {
    fn default() -> Self {
        Self {
            name: None,
            hosts: Vec::new(),
            path_prefix: "/".into(),
            balance: "round_robin".into(),
            served_by_header: false,
            timeout: RawTimeout::default(),
            pool: RawPool::default(),
            stable: None,
            canary: None,
            alert: RawAlert::default(),
            probe: RawProbe::default(),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct RawTimeout {
    pub(super) connect: String,
    pub(super) response: String,
    pub(super) idle: String,
}

impl Default for RawTimeout {
    fn default() -> Self {
        Self { connect: "1s".into(), response: "10s".into(), idle: "60s".into() }
    }
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct RawPool {
    pub(super) max_idle: i64,
    pub(super) idle_timeout: String,
    pub(super) max_age: String,
}

impl Default for RawPool {
    fn default() -> Self {
        Self { max_idle: 64, idle_timeout: "30s".into(), max_age: "10m".into() }
    }
}

/// The default of `weight` depends on the track.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct RawTrack {
    pub(super) weight: Option<i64>,
    pub(super) backends: Vec<RawBackend>,
    pub(super) probe: RawProbe,
}

/// The default of `key` depends on the service's name.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct RawAlert {
    pub(super) key: Option<String>,
    pub(super) compat: Vec<String>,
}

/// Only what was written: which default applies depends on the track.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct RawProbe {
    pub(super) path: Option<String>,
    pub(super) host: Option<String>,
    pub(super) expect_status: Option<Vec<String>>,
    pub(super) expect_body: Option<String>,
    pub(super) interval: Option<String>,
    pub(super) timeout: Option<String>,
    pub(super) fall: Option<i64>,
    pub(super) rise: Option<i64>,
}

/// `"host:port"`, or a table with more.
#[derive(Debug)]
pub(super) enum RawBackend {
    Address(String),
    Table(RawBackendTable),
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct RawBackendTable {
    pub(super) address: Option<String>,
    pub(super) name: Option<String>,
    pub(super) weight: Option<i64>,
}

impl<'de> Deserialize<'de> for RawBackend {
    // By hand because serde's untagged enums lose the key and the reason of an error.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = RawBackend;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a backend: \"host:port\" or { address = \"host:port\" }")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<RawBackend, E> {
                Ok(RawBackend::Address(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawBackend, A::Error> {
                RawBackendTable::deserialize(MapAccessDeserializer::new(map)).map(RawBackend::Table)
            }
        }

        deserializer.deserialize_any(Either)
    }
}
