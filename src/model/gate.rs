//! How a gate opens, and whom it listens to.

use serde::Serialize;

/// What `service.gate` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct GateSpec {
    /// Whether the canary goes out when another balancer on the same Redis has ejected it by live traffic or probe.
    pub follow_peers: bool,
}
