//! `[notify]` as written, and `[service.rollback]`, which is a webhook as well.

use serde::Deserialize;

/// The same table for the balancer and the agent.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawNotify {
    pub(crate) outbox: String,
    pub(crate) group: String,
    pub(crate) hourly: i64,
    pub(crate) ways: Vec<String>,
    pub(crate) ca_file: String,
    pub(crate) mail: Option<RawMail>,
    pub(crate) webhook: Vec<RawWebhook>,
}

impl Default for RawNotify {
    fn default() -> Self {
        Self {
            outbox: String::new(),
            group: "5s".into(),
            hourly: 20,
            ways: vec!["mail".into(), "webhook".into()],
            ca_file: String::new(),
            mail: None,
            webhook: Vec::new(),
        }
    }
}

/// The default of `port` depends on `tls`.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawMail {
    pub(crate) host: String,
    pub(crate) port: Option<i64>,
    pub(crate) tls: String,
    pub(crate) username: String,
    pub(crate) password_file: String,
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    pub(crate) timeout: String,
}

impl Default for RawMail {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".into(),
            port: None,
            tls: "off".into(),
            username: String::new(),
            password_file: String::new(),
            from: String::new(),
            to: Vec::new(),
            timeout: "10s".into(),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawWebhook {
    pub(crate) url: String,
    pub(crate) secret_file: String,
    pub(crate) events: Vec<String>,
    pub(crate) timeout: String,
}

impl Default for RawWebhook {
    fn default() -> Self {
        Self { url: String::new(), secret_file: String::new(), events: Vec::new(), timeout: "5s".into() }
    }
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawRollback {
    pub(crate) url: String,
    pub(crate) secret_file: String,
    pub(crate) ejections: i64,
    pub(crate) within: String,
    pub(crate) timeout: String,
}

impl Default for RawRollback {
    fn default() -> Self {
        Self {
            url: String::new(),
            secret_file: String::new(),
            ejections: 3,
            within: "10m".into(),
            timeout: "5s".into(),
        }
    }
}
