//! What keeps visitors in place, as written.

use serde::Deserialize;

/// Empty text means: not written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawAffinity {
    pub(crate) key_file: String,
    pub(crate) key: String,
}

/// The default of `name` depends on the service's name; empty text means it.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawCookie {
    pub(crate) name: String,
    pub(crate) max_age: String,
    pub(crate) secure: bool,
}

impl Default for RawCookie {
    fn default() -> Self {
        Self { name: String::new(), max_age: "0s".into(), secure: false }
    }
}
