//! `[service.stable]` and `[service.canary]` as written.

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use super::RawProbe;

/// The default of `weight` depends on the track; `min_up` is of stable only, `slow_start` of the canary only.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawTrack {
    pub(crate) weight: Option<i64>,
    pub(crate) backends: Vec<RawBackend>,
    pub(crate) h2: bool,
    pub(crate) proxy_protocol: String,
    pub(crate) tls: RawUpstreamTls,
    pub(crate) min_up: Option<i64>,
    pub(crate) slow_start: Option<String>,
    pub(crate) probe: RawProbe,
}

impl Default for RawTrack {
    fn default() -> Self {
        Self {
            weight: None,
            backends: Vec::new(),
            h2: false,
            proxy_protocol: "off".into(),
            tls: RawUpstreamTls::default(),
            min_up: None,
            slow_start: None,
            probe: RawProbe::default(),
        }
    }
}

/// `[service.stable.tls]`: empty means the host's roots, the backend's host, no certificate.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawUpstreamTls {
    pub(crate) ca_file: String,
    pub(crate) server_name: String,
    pub(crate) cert_file: String,
    pub(crate) key_file: String,
}

/// An address, or a table with more.
#[derive(Debug)]
pub(crate) enum RawBackend {
    Address(String),
    Table(RawBackendTable),
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawBackendTable {
    pub(crate) address: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) weight: Option<i64>,
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
