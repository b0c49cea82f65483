//! What is written about the process itself: `[listen]`, `[log]`, `[admin]` and `[balancer]`.

use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawListen {
    pub(crate) http: Vec<String>,
    pub(crate) https: Vec<String>,
    pub(crate) redirect_https: bool,
    pub(crate) http2: bool,
    pub(crate) workers: i64,
    pub(crate) trusted_proxies: Vec<String>,
    pub(crate) proxy_protocol: Vec<String>,
    pub(crate) handshake_timeout: String,
    pub(crate) header_timeout: String,
    pub(crate) idle_timeout: String,
    pub(crate) drain: String,
    pub(crate) lame_duck: String,
    pub(crate) via: bool,
}

impl Default for RawListen {
    fn default() -> Self {
        Self {
            http: vec!["0.0.0.0:80".into()],
            https: Vec::new(),
            redirect_https: false,
            http2: true,
            workers: 0,
            trusted_proxies: Vec::new(),
            proxy_protocol: Vec::new(),
            handshake_timeout: "10s".into(),
            header_timeout: "10s".into(),
            idle_timeout: "60s".into(),
            drain: "30s".into(),
            lame_duck: "0s".into(),
            via: true,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawLog {
    pub(crate) level: String,
    pub(crate) format: String,
    pub(crate) access: String,
}

impl Default for RawLog {
    fn default() -> Self {
        Self { level: "info".into(), format: "text".into(), access: "off".into() }
    }
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawAdmin {
    pub(crate) listen: String,
    pub(crate) token_file: String,
    pub(crate) metrics_listen: String,
}

impl Default for RawAdmin {
    fn default() -> Self {
        Self { listen: "127.0.0.1:9900".into(), token_file: String::new(), metrics_listen: String::new() }
    }
}

/// Empty text means: the name of the host.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawBalancer {
    pub(crate) name: String,
}
