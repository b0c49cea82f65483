//! `[service.outlier]` as written.

use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawOutlier {
    pub(crate) consecutive: i64,
    pub(crate) success_percent: i64,
    pub(crate) window: String,
    pub(crate) min_requests: i64,
    pub(crate) max_ejected_percent: i64,
    pub(crate) base_ejection: String,
    pub(crate) max_ejection: String,
}

impl Default for RawOutlier {
    fn default() -> Self {
        Self {
            consecutive: 5,
            success_percent: 90,
            window: "10s".into(),
            min_requests: 20,
            max_ejected_percent: 20,
            base_ejection: "1s".into(),
            max_ejection: "5m".into(),
        }
    }
}
