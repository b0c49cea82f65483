//! How many requests each client may send over time.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use governor::RateLimiter;
use governor::clock::{Clock, DefaultClock};
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::state::keyed::{DashMapStateStore, ShrinkableKeyedStateStore};

use super::client::Client;
use crate::model::RateSpec;
use crate::table::quota;

/// Clients with a bucket of their own, at most; about 6 MB. Those above it share.
const MOST: usize = 100_000;
/// Buckets that they share: who is unlucky shares with few.
const SHARED: u64 = 1024;
/// How often clients are looked through whose bucket is full again.
const SWEEP: Duration = Duration::from_secs(1);

/// A token bucket for each client.
pub(super) struct ClientRate {
    limiter: RateLimiter<Client, Buckets, DefaultClock>,
    swept: Mutex<Instant>,
}

impl ClientRate {
    /// `None` when there is no limit.
    pub(super) fn new(spec: RateSpec) -> Option<Self> {
        let limiter = RateLimiter::new(quota(spec)?, Buckets::new(MOST), DefaultClock::default());
        Some(Self { limiter, swept: Mutex::new(Instant::now()) })
    }

    /// Takes in one request, or tells how long it will be until the next one can be.
    pub(super) fn take(&self, client: Client) -> Result<(), Duration> {
        self.limiter.check_key(&client).map_err(|not_until| not_until.wait_time_from(self.limiter.clock().now()))
    }

    /// Forgets clients whose bucket is full again. Does nothing when somebody did it just now, or does it.
    pub(super) fn sweep(&self) {
        let Ok(mut swept) = self.swept.try_lock() else { return };
        if swept.elapsed() >= SWEEP {
            self.limiter.retain_recent();
            self.limiter.shrink_to_fit();
            *swept = Instant::now();
        }
    }
}

impl fmt::Debug for ClientRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientRate").finish_non_exhaustive()
    }
}

/// The buckets of so many clients and no more. When it is full, a client that has none shares one with others, which
/// one being a matter of chance: a crowd of addresses neither fills the memory nor takes what known clients have.
struct Buckets {
    known: DashMapStateStore<Client>,
    /// At least as many as there are.
    number: AtomicUsize,
    most: usize,
    hasher: RandomState,
}

impl Buckets {
    fn new(most: usize) -> Self {
        Self { known: DashMapStateStore::default(), number: AtomicUsize::new(0), most, hasher: RandomState::new() }
    }

    /// Whose bucket `client` uses.
    fn holder(&self, client: Client) -> Client {
        if self.number.load(Relaxed) < self.most || self.known.contains_key(&client) {
            return client;
        }
        Client::Stranger(u16::try_from(self.hasher.hash_one(client) % SHARED).unwrap_or(0))
    }
}

impl StateStore for Buckets {
    type Key = Client;

    fn measure_and_replace<T, F, E>(&self, client: &Client, f: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        self.known.measure_and_replace(&self.holder(*client), |before| {
            if before.is_none() {
                self.number.fetch_add(1, Relaxed);
            }
            f(before)
        })
    }
}

impl ShrinkableKeyedStateStore<Client> for Buckets {
    fn retain_recent(&self, drop_below: Nanos) {
        self.known.retain_recent(drop_below);
        self.number.store(self.known.len(), Relaxed);
    }

    fn shrink_to_fit(&self) {
        self.known.shrink_to_fit();
    }

    fn len(&self) -> usize {
        self.known.len()
    }

    fn is_empty(&self) -> bool {
        self.known.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;
    use governor::middleware::NoOpMiddleware;

    use super::*;

    type Fake = RateLimiter<Client, Buckets, FakeRelativeClock, NoOpMiddleware<Nanos>>;

    fn limiter(most: usize, clock: &FakeRelativeClock) -> Fake {
        let quota = quota(RateSpec { requests: 1, burst: 2 }).unwrap();
        RateLimiter::new(quota, Buckets::new(most), clock.clone())
    }

    #[test]
    fn each_client_has_a_bucket_of_its_own() {
        let clock = FakeRelativeClock::default();
        let limiter = limiter(10, &clock);
        let taken = |client| (0..5).filter(|_| limiter.check_key(&Client::V4(client)).is_ok()).count();
        assert_eq!((taken(1), taken(2), taken(1)), (2, 2, 0));
        clock.advance(Duration::from_secs(1));
        assert_eq!(taken(1), 1);
    }

    #[test]
    fn a_crowd_of_addresses_is_bounded_and_leaves_known_clients_alone() {
        let clock = FakeRelativeClock::default();
        let limiter = limiter(10, &clock);
        assert!(limiter.check_key(&Client::V4(0)).is_ok());
        for n in 1..100_000 {
            let _ = limiter.check_key(&Client::V4(n));
        }
        assert!(limiter.len() <= 10 + usize::try_from(SHARED).unwrap(), "{}", limiter.len());
        assert!(limiter.check_key(&Client::V4(0)).is_ok(), "it has its second token");
        assert!(limiter.check_key(&Client::V4(100_000)).is_err(), "what strangers share is used up");
    }

    #[test]
    fn who_has_not_asked_for_a_while_is_forgotten() {
        let clock = FakeRelativeClock::default();
        let limiter = limiter(10, &clock);
        for n in 0..10 {
            assert!(limiter.check_key(&Client::V4(n)).is_ok());
        }
        clock.advance(Duration::from_secs(5));
        limiter.retain_recent();
        assert_eq!(limiter.len(), 0);
        assert_eq!(limiter.into_state_store().number.load(Relaxed), 0);
    }
}
