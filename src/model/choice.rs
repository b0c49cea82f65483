//! Requests whose track is not drawn by turns.

use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use ipnet::IpNet;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::{Secret, Track};

/// How testers choose their track by themselves. What `service.tester` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TesterSpec {
    /// A field whose value is `always` (the canary) or `never`.
    pub header: Option<HeaderName>,
    /// A cookie of the same kind.
    pub cookie: Option<String>,
    /// When set, the value is `always:<secret>` or `never:<secret>`.
    pub secret: Option<Secret>,
}

impl Serialize for TesterSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("header", self.header.as_ref().map_or("", HeaderName::as_str))?;
        map.serialize_entry("cookie", self.cookie.as_deref().unwrap_or(""))?;
        if let Some(secret) = &self.secret {
            map.serialize_entry("secret", secret)?;
        }
        map.end()
    }
}

/// One `[[service.rule]]`: the requests that it is about, and where they go. The first that matches decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleSpec {
    pub condition: Condition,
    pub track: Track,
}

/// What a rule looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// A field of this name has this value.
    Header {
        name: HeaderName,
        value: HeaderValue,
    },
    Cookie {
        name: Arc<str>,
        value: Arc<str>,
    },
    /// The client's address, behind trusted proxies too.
    Network(IpNet),
}

impl Serialize for RuleSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match &self.condition {
            Condition::Header { name, value } => {
                map.serialize_entry("header", name.as_str())?;
                map.serialize_entry("value", &String::from_utf8_lossy(value.as_bytes()))?;
            }
            Condition::Cookie { name, value } => {
                map.serialize_entry("cookie", name)?;
                map.serialize_entry("value", value)?;
            }
            Condition::Network(network) => map.serialize_entry("network", network)?,
        }
        map.serialize_entry("track", &self.track)?;
        map.end()
    }
}
