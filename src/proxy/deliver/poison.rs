//! Requests that kill each backend that they reach.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::Method;

use crate::model::ServiceName;

/// How long such a request is not sent again.
const MEMORY: Duration = Duration::from_secs(60);
/// How many are remembered; the oldest goes first.
const MOST: usize = 1024;

/// What has killed two backends of late: service, method and path without its query. An answer clears it: two backends
/// that are killed at once die under harmless requests, which must not lose their retries for that.
///
/// Shared by the workers. The lock is taken only when a request has failed, or while anything is remembered, and held
/// for a look through a bounded list.
#[derive(Debug, Default)]
pub(super) struct Poison {
    /// Paths may be long and many: what is remembered is their hash, by a secret of this process.
    hasher: RandomState,
    known: Mutex<VecDeque<(u64, Instant)>>,
    /// Whether there is anything in `known`, for a look without the lock.
    any: AtomicBool,
}

impl Poison {
    pub(super) fn remember(&self, service: &ServiceName, method: &Method, path: &str, now: Instant) {
        let request = self.hasher.hash_one((service, method, path));
        let mut known = self.lock();
        known.retain(|(other, _)| *other != request);
        if known.len() == MOST {
            known.pop_front();
        }
        known.push_back((request, now));
        self.any.store(true, Relaxed);
    }

    pub(super) fn knows(&self, service: &ServiceName, method: &Method, path: &str, now: Instant) -> bool {
        let request = self.hasher.hash_one((service, method, path));
        self.recent(now).iter().any(|(other, _)| *other == request)
    }

    /// Whether [`Poison::forget`] has anything to do.
    #[inline]
    pub(super) fn is_any(&self) -> bool {
        self.any.load(Relaxed)
    }

    /// A backend answered it.
    pub(super) fn forget(&self, service: &ServiceName, method: &Method, path: &str, now: Instant) {
        let request = self.hasher.hash_one((service, method, path));
        let mut known = self.recent(now);
        known.retain(|(other, _)| *other != request);
        self.any.store(!known.is_empty(), Relaxed);
    }

    fn recent(&self, now: Instant) -> MutexGuard<'_, VecDeque<(u64, Instant)>> {
        let mut known = self.lock();
        // In the order of their times.
        while known.front().is_some_and(|(_, since)| now.saturating_duration_since(*since) >= MEMORY) {
            known.pop_front();
        }
        known
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(u64, Instant)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(name: &str) -> ServiceName {
        ServiceName::new(name).unwrap()
    }

    #[test]
    fn it_is_known_for_a_minute_by_service_method_and_path() {
        let (poison, start) = (Poison::default(), Instant::now());
        let web = service("web");
        poison.remember(&web, &Method::GET, "/kill", start);
        let later = start + MEMORY - Duration::from_nanos(1);
        assert!(poison.knows(&web, &Method::GET, "/kill", later));
        assert!(!poison.knows(&service("api"), &Method::GET, "/kill", later));
        assert!(!poison.knows(&web, &Method::HEAD, "/kill", later));
        assert!(!poison.knows(&web, &Method::GET, "/other", later));
        assert!(!poison.knows(&web, &Method::GET, "/kill", start + MEMORY));
    }

    #[test]
    fn what_kills_again_is_known_for_longer() {
        let (poison, start, web) = (Poison::default(), Instant::now(), service("web"));
        poison.remember(&web, &Method::GET, "/kill", start);
        poison.remember(&web, &Method::GET, "/kill", start + MEMORY / 2);
        assert!(poison.knows(&web, &Method::GET, "/kill", start + MEMORY));
    }

    #[test]
    fn an_answer_clears_what_was_answered() {
        let (poison, now, web) = (Poison::default(), Instant::now(), service("web"));
        assert!(!poison.is_any());
        poison.remember(&web, &Method::GET, "/", now);
        poison.remember(&web, &Method::GET, "/kill", now);
        poison.forget(&web, &Method::GET, "/", now);
        assert!(!poison.knows(&web, &Method::GET, "/", now) && poison.knows(&web, &Method::GET, "/kill", now));
        assert!(poison.is_any());
        poison.forget(&web, &Method::GET, "/other", now + MEMORY);
        assert!(!poison.is_any(), "what is too old is gone as well");
    }

    #[test]
    fn so_many_are_remembered_and_the_oldest_goes() {
        let (poison, now, web) = (Poison::default(), Instant::now(), service("web"));
        for n in 0..=MOST {
            poison.remember(&web, &Method::GET, &format!("/{n}"), now);
        }
        assert!(!poison.knows(&web, &Method::GET, "/0", now));
        assert!(poison.knows(&web, &Method::GET, "/1", now));
        assert!(poison.knows(&web, &Method::GET, &format!("/{MOST}"), now));
        assert_eq!(poison.lock().len(), MOST);
    }
}
