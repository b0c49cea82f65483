//! `[service.probe]`, and the probe of a track, as written.

use serde::Deserialize;

/// Only what was written: which default applies depends on the track.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawProbe {
    pub(crate) kind: Option<String>,
    pub(crate) service: Option<String>,
    pub(crate) path: Option<String>,
    pub(crate) host: Option<String>,
    pub(crate) expect_status: Option<Vec<String>>,
    pub(crate) expect_body: Option<String>,
    pub(crate) interval: Option<String>,
    pub(crate) timeout: Option<String>,
    pub(crate) fall: Option<i64>,
    pub(crate) rise: Option<i64>,
}
