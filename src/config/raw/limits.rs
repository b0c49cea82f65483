//! `[limits]` and `[service.limits]` as written.

use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawLimits {
    pub(crate) max_connections: i64,
    pub(crate) max_requests: i64,
    pub(crate) listener_connections: i64,
    pub(crate) client_connections: i64,
    pub(crate) headers: i64,
    pub(crate) header_bytes: i64,
    pub(crate) request_line: i64,
    pub(crate) body_rate: i64,
    pub(crate) streams: i64,
    pub(crate) rate: RawRate,
}

impl Default for RawLimits {
    fn default() -> Self {
        Self {
            max_connections: 0,
            max_requests: 0,
            listener_connections: 0,
            client_connections: 1000,
            headers: 100,
            header_bytes: 65_536,
            request_line: 8192,
            body_rate: 240,
            streams: 100,
            rate: RawRate::default(),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawRate {
    pub(crate) requests: i64,
    pub(crate) burst: i64,
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawServiceLimits {
    pub(crate) connections: i64,
    pub(crate) requests: i64,
    pub(crate) queue: i64,
    pub(crate) queue_timeout: String,
    pub(crate) body: i64,
    pub(crate) rate: RawRate,
}

impl Default for RawServiceLimits {
    fn default() -> Self {
        Self { connections: 0, requests: 0, queue: 0, queue_timeout: "1s".into(), body: 0, rate: RawRate::default() }
    }
}
