//! The configuration of an agent as written.

use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};

use super::{RawLog, RawNotify, RawRedis};

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawMonitor {
    pub(crate) interval: String,
    /// Empty text means: the name of the host.
    pub(crate) host: String,
    pub(crate) cgroup: String,
    pub(crate) log: RawMonitorLog,
    pub(crate) redis: Option<RawRedis>,
    pub(crate) notify: RawNotify,
    pub(crate) check: Vec<RawCheck>,
    pub(crate) rule: Vec<RawWatchRule>,
}

impl Default for RawMonitor {
    fn default() -> Self {
        Self {
            interval: "1s".into(),
            host: String::new(),
            cgroup: String::new(),
            log: RawMonitorLog::default(),
            redis: None,
            notify: RawNotify::default(),
            check: Vec::new(),
            rule: Vec::new(),
        }
    }
}

/// `[log]` without the log of requests.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawMonitorLog {
    pub(crate) level: String,
    pub(crate) format: String,
}

impl Default for RawMonitorLog {
    fn default() -> Self {
        let RawLog { level, format, .. } = RawLog::default();
        Self { level, format }
    }
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawCheck {
    pub(crate) name: Option<String>,
    pub(crate) exec: Vec<String>,
    pub(crate) http: String,
    pub(crate) expect_status: Option<Vec<String>>,
    pub(crate) timeout: String,
    pub(crate) interval: String,
}

impl Default for RawCheck {
    fn default() -> Self {
        Self {
            name: None,
            exec: Vec::new(),
            http: String::new(),
            expect_status: None,
            timeout: "2s".into(),
            interval: "10s".into(),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawWatchRule {
    pub(crate) name: Option<String>,
    pub(crate) metric: Option<String>,
    pub(crate) above: Option<RawQuantity>,
    pub(crate) below: Option<RawQuantity>,
    /// By default the threshold.
    pub(crate) clear: Option<RawQuantity>,
    #[serde(rename = "for")]
    pub(crate) hold: String,
    pub(crate) service: String,
    pub(crate) severity: String,
    pub(crate) actions: Vec<String>,
    /// The defaults of these depend on whether there is an alert.
    pub(crate) ttl: Option<String>,
    pub(crate) on_lost: Option<String>,
    pub(crate) compat: Vec<String>,
}

impl RawWatchRule {
    /// What an alert has where nothing is written.
    pub(crate) const TTL: &str = "60s";
    pub(crate) const ON_LOST: &str = "clear";
}

impl Default for RawWatchRule {
    fn default() -> Self {
        Self {
            name: None,
            metric: None,
            above: None,
            below: None,
            clear: None,
            hold: "30s".into(),
            service: String::new(),
            severity: "warning".into(),
            actions: vec!["alert".into()],
            ttl: None,
            on_lost: None,
            compat: Vec::new(),
        }
    }
}

/// A number, or a text with a unit.
#[derive(Debug)]
pub(crate) enum RawQuantity {
    Number(f64),
    Text(String),
}

impl<'de> Deserialize<'de> for RawQuantity {
    // By hand because serde's untagged enums lose the key and the reason of an error.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl Visitor<'_> for Either {
            type Value = RawQuantity;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number, or one with a unit, such as \"100MB\"")
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<RawQuantity, E> {
                Ok(RawQuantity::Number(number as f64))
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<RawQuantity, E> {
                Ok(RawQuantity::Number(number))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<RawQuantity, E> {
                Ok(RawQuantity::Text(text.to_owned()))
            }
        }

        deserializer.deserialize_any(Either)
    }
}
