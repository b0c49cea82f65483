//! One backend as the data plane sees it.

use std::net::SocketAddr;
use std::sync::Arc;

use http::HeaderValue;

use crate::metrics::BackendMetrics;
use crate::model::{BackendId, PoolLimits, Timeouts, Track};

/// Distinguishes backends in connection pools. A backend whose addresses change gets a new key, so that no pooled
/// connection to an old address is used again.
pub type BackendKey = u64;

/// Everything that an attempt at one backend needs, so that a request holds a single pointer.
#[derive(Debug)]
pub struct Backend {
    pub key: BackendKey,
    pub id: BackendId,
    pub track: Track,
    /// Tried in order; empty while the name has never resolved.
    pub addresses: Arc<[SocketAddr]>,
    /// `host:port` as configured: the `Host` of a request that came without one.
    pub authority: HeaderValue,
    /// `canary/10.0.0.12:3002`, when the service says who served.
    pub served_by: Option<HeaderValue>,
    /// Share among its track, for `least_request`.
    pub weight: u32,
    pub timeout: Timeouts,
    pub pool: PoolLimits,
    pub metrics: BackendMetrics,
}
