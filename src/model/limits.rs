//! How much one backend is given at a time.

use std::time::Duration;

use serde::Serialize;

use super::service::seconds;

/// What `service.limits` says of each backend. 0: no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CircuitLimits {
    /// Open connections.
    pub connections: u32,
    /// Requests in flight.
    pub requests: u32,
    /// Requests that may wait for their turn.
    pub queue: u32,
    /// How long one may wait.
    #[serde(serialize_with = "seconds")]
    pub queue_timeout: Duration,
}
