//! `[service.retry]` as written.

use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawRetry {
    pub(crate) idempotent: bool,
    pub(crate) buffer: i64,
    pub(crate) canary_statuses: Vec<String>,
    pub(crate) stable_statuses: Vec<String>,
    pub(crate) budget_percent: i64,
    pub(crate) budget_min: i64,
}

impl Default for RawRetry {
    fn default() -> Self {
        Self {
            idempotent: false,
            buffer: 65_536,
            canary_statuses: vec!["500".into(), "502-504".into()],
            stable_statuses: vec!["502-504".into()],
            budget_percent: 20,
            budget_min: 3,
        }
    }
}
