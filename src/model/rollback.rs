//! When a canary is given up for good.

use std::num::NonZeroU32;
use std::time::Duration;

use serde::Serialize;

use super::WebhookSettings;
use super::service::seconds;

/// A hook that is called once when the canary was ejected so often within so long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RollbackSpec {
    #[serde(flatten)]
    pub hook: WebhookSettings,
    pub ejections: NonZeroU32,
    #[serde(serialize_with = "seconds")]
    pub within: Duration,
}
