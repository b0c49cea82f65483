//! `[tls.acme]` as written.

use serde::Deserialize;

/// Empty text means: none, but `directory` has a default.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawAcme {
    pub(crate) directory: String,
    pub(crate) contact: Vec<String>,
    pub(crate) domains: Vec<String>,
    pub(crate) state_dir: String,
    pub(crate) ca_file: String,
}

impl Default for RawAcme {
    fn default() -> Self {
        Self {
            directory: "https://acme-v02.api.letsencrypt.org/directory".into(),
            contact: Vec::new(),
            domains: Vec::new(),
            state_dir: "acme".into(),
            ca_file: String::new(),
        }
    }
}
