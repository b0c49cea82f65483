//! What chooses a track for a request, as written.

use serde::Deserialize;

/// Empty text means: not written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawTester {
    pub(crate) header: String,
    pub(crate) cookie: String,
    pub(crate) secret_file: String,
}

/// Which keys belong together is said in the resolution.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawRule {
    pub(crate) header: Option<String>,
    pub(crate) cookie: Option<String>,
    pub(crate) value: Option<String>,
    pub(crate) network: Option<String>,
    pub(crate) track: Option<String>,
}
