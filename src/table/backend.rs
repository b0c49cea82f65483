//! One backend as the data plane sees it.

use std::net::SocketAddr;
use std::sync::Arc;

use http::HeaderValue;

use super::{Alarm, Budget, Circuit, Outcomes};
use crate::metrics::BackendMetrics;
use crate::model::{Address, BackendId, PoolLimits, RetrySpec, ServiceName, Timeouts, Track, Upstream};
use crate::tls::client::Secure;

/// Distinguishes backends in connection pools. A backend whose addresses change gets a new key, so that no pooled
/// connection to an old address is used again.
pub type BackendKey = u64;

/// Everything that an attempt at one backend needs, so that a request holds a single pointer.
#[derive(Debug)]
pub struct Backend {
    pub key: BackendKey,
    pub id: BackendId,
    pub track: Track,
    pub address: Address,
    /// What `address` resolves to, tried in order; empty while the name has never resolved, and for a path.
    pub addresses: Arc<[SocketAddr]>,
    /// `host:port` as configured, or `localhost`: the `Host` of a request that came without one.
    pub authority: HeaderValue,
    pub upstream: Upstream,
    /// `None`: no TLS is spoken there.
    pub secure: Option<Secure>,
    /// `canary/10.0.0.12:3002`, when the service says who served.
    pub served_by: Option<HeaderValue>,
    /// Share among its track, for `least_request`.
    pub weight: u32,
    pub timeout: Timeouts,
    pub pool: PoolLimits,
    pub metrics: BackendMetrics,
    pub terms: Arc<Terms>,
    pub outcomes: Arc<Outcomes>,
    /// Of the canary as a whole; `None` for a backend of stable.
    pub together: Option<Arc<Outcomes>>,
    /// `None`: no limits.
    pub circuit: Option<Arc<Circuit>>,
}

/// What the backends of a service have in common.
#[derive(Debug)]
pub struct Terms {
    pub service: ServiceName,
    pub retry: RetrySpec,
    pub budget: Arc<Budget>,
    pub alarm: Arc<Alarm>,
}

impl Backend {
    /// It answered a request of a client as it should.
    #[inline]
    pub fn pass(&self) {
        self.outcomes.pass();
        if let Some(together) = &self.together {
            together.pass();
        }
    }

    /// Whether its limits leave room for a request at once.
    pub fn has_room(&self) -> bool {
        self.circuit.as_ref().is_none_or(|circuit| circuit.has_room())
    }

    /// It failed a request of a client: the controller hears of it at once.
    pub fn fail(&self) {
        self.outcomes.fail();
        if let Some(together) = &self.together {
            together.fail();
        }
        self.terms.alarm.ring();
    }
}
