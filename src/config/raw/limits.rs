//! `[service.limits]` as written.

use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawLimits {
    pub(crate) connections: i64,
    pub(crate) requests: i64,
    pub(crate) queue: i64,
    pub(crate) queue_timeout: String,
}

impl Default for RawLimits {
    fn default() -> Self {
        Self { connections: 0, requests: 0, queue: 0, queue_timeout: "1s".into() }
    }
}
