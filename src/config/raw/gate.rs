//! `[service.gate]` as written.

use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawGate {
    pub(crate) follow_peers: bool,
}

impl Default for RawGate {
    fn default() -> Self {
        Self { follow_peers: true }
    }
}
