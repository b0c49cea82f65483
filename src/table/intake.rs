//! What is taken for a service, whichever backend it goes to.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::Clock;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use crate::model::RateSpec;

/// The limits of one service. `None` in its place: none.
#[derive(Clone, Debug)]
pub struct Intake {
    /// Largest body of a request, in bytes.
    pub body: Option<u64>,
    /// Shared by all snapshots in which it is the same, and by all workers.
    pub rate: Option<Arc<Rate>>,
}

/// So many requests per second, and so many at once.
#[derive(Debug)]
pub struct Rate {
    pub spec: RateSpec,
    limiter: DefaultDirectRateLimiter,
}

impl Rate {
    /// `None` when there is no limit.
    pub fn new(spec: RateSpec) -> Option<Self> {
        Some(Self { spec, limiter: RateLimiter::direct(quota(spec)?) })
    }

    /// Takes one request in, or tells how long it will be until the next one can be.
    ///
    /// # Errors
    /// The rate is reached.
    pub fn take(&self) -> Result<(), Duration> {
        self.limiter.check().map_err(|not_until| not_until.wait_time_from(self.limiter.clock().now()))
    }
}

/// The token bucket of `spec`; `None` when there is no limit.
pub fn quota(spec: RateSpec) -> Option<Quota> {
    let requests = NonZeroU32::new(spec.requests)?;
    Some(Quota::per_second(requests).allow_burst(NonZeroU32::new(spec.burst).unwrap_or(requests)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_above_the_burst_has_to_wait_for_a_token() {
        let rate = Rate::new(RateSpec { requests: 1, burst: 3 }).unwrap();
        // A starved machine may see a token come back meanwhile, not a hundred.
        let taken = (0..100).filter(|_| rate.take().is_ok()).count();
        assert!((3..100).contains(&taken), "{taken}");
        let wait = rate.take().unwrap_err();
        assert!(wait > Duration::ZERO && wait <= Duration::from_secs(1), "{wait:?}");
    }

    #[test]
    fn no_requests_per_second_is_no_limit() {
        assert!(Rate::new(RateSpec { requests: 0, burst: 0 }).is_none());
    }
}
