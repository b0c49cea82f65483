//! `[redis]` as written.

use serde::Deserialize;

/// Empty text and an empty list mean: not written.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawRedis {
    pub(crate) url: String,
    pub(crate) sentinels: Vec<String>,
    pub(crate) master: String,
    pub(crate) username: String,
    pub(crate) password_file: String,
    pub(crate) tls: bool,
    pub(crate) prefix: String,
}

impl RawRedis {
    /// Where Redis is when the table names neither a server nor sentinels.
    pub(crate) const URL: &str = "redis://127.0.0.1:6379/0";
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
