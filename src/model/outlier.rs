//! When live traffic takes a backend out.

use std::time::Duration;

use serde::Serialize;

use super::service::seconds;

/// What `service.outlier` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OutlierSpec {
    /// Failures in a row that eject; 0: none do.
    pub consecutive: u32,
    /// Success below this share within `window` ejects, in percent; 0: none does.
    pub success_percent: u32,
    #[serde(serialize_with = "seconds")]
    pub window: Duration,
    /// Fewer requests within `window` say nothing of the share.
    pub min_requests: u32,
    /// Of stable at most so many are out by live traffic at one time, in percent, but at least one; never the last.
    pub max_ejected_percent: u32,
    /// The first ejection lasts so long at least, each further one twice as long.
    #[serde(serialize_with = "seconds")]
    pub base_ejection: Duration,
    #[serde(serialize_with = "seconds")]
    pub max_ejection: Duration,
}
