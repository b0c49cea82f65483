//! How much a backend is given at a time.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::metrics::{IntGauge, Open};
use crate::model::CircuitLimits;

/// The limits of one backend and what is used of them. Shared by all snapshots in which the backend is the same, and by
/// all workers: who waits is served in the order of arrival, wherever it waits.
#[derive(Debug)]
pub struct Circuit {
    pub limits: CircuitLimits,
    /// Where a request in flight uses one connection, a limit of connections limits these as well.
    requests: Option<Arc<Semaphore>>,
    connections: Option<Arc<Semaphore>>,
    queued: AtomicU32,
    wanted: AtomicU32,
}

/// One request's place at a backend, for as long as it lives.
#[derive(Debug)]
pub struct Place {
    _permit: Option<OwnedSemaphorePermit>,
}

/// One connection's room at a backend, for as long as it lives.
#[derive(Debug)]
pub struct Room {
    _permit: Option<OwnedSemaphorePermit>,
}

impl Circuit {
    /// `shared`: requests share connections.
    pub fn new(limits: CircuitLimits, shared: bool) -> Self {
        let connections = if shared { 0 } else { limits.connections };
        let requests = [limits.requests, connections].into_iter().filter(|limit| *limit > 0).min();
        let semaphore = |limit: u32| Arc::new(Semaphore::new(limit as usize));
        Self {
            limits,
            requests: requests.map(semaphore),
            connections: (limits.connections > 0).then(|| semaphore(limits.connections)),
            queued: AtomicU32::new(0),
            wanted: AtomicU32::new(0),
        }
    }

    /// Whether a request would get a place at once, as things stand.
    pub fn has_room(&self) -> bool {
        self.requests.as_ref().is_none_or(|requests| requests.available_permits() > 0)
    }

    /// A place, if there is one and nobody waits for it.
    pub fn enter(&self) -> Option<Place> {
        match &self.requests {
            None => Some(Place { _permit: None }),
            Some(requests) => requests.clone().try_acquire_owned().ok().map(|permit| Place { _permit: Some(permit) }),
        }
    }

    /// Whether one more connection could be opened at once, as things stand.
    pub fn has_connection(&self) -> bool {
        self.connections.as_ref().is_none_or(|connections| connections.available_permits() > 0)
    }

    fn room_at_once(&self) -> Option<Room> {
        let Some(connections) = &self.connections else { return Some(Room { _permit: None }) };
        connections.clone().try_acquire_owned().ok().map(|permit| Room { _permit: Some(permit) })
    }

    /// Waits for a place, first come, first served; `length` shows how many do. `None`: too many wait, or the time is
    /// over. Cancel safe: dropped, it leaves the queue.
    pub async fn queue(&self, length: &IntGauge) -> Option<Place> {
        let _number = Waiting::join(&self.queued, self.limits.queue)?;
        let _shown = Open::one(length);
        match &self.requests {
            None => Some(Place { _permit: None }),
            Some(requests) => {
                self.within(requests.clone().acquire_owned()).await.map(|permit| Place { _permit: Some(permit) })
            }
        }
    }

    /// Room for one more open connection. When there is none, `ask` is called once and idle connections are to give way
    /// (see [`Circuit::wants_room`]). `None`: none did within the time. Cancel safe.
    pub async fn room(&self, ask: impl FnOnce()) -> Option<Room> {
        if let Some(room) = self.room_at_once() {
            return Some(room);
        }
        let connections = self.connections.as_ref()?;
        let _number = Waiting::join(&self.wanted, u32::MAX)?;
        ask();
        self.within(connections.clone().acquire_owned()).await.map(|permit| Room { _permit: Some(permit) })
    }

    /// Whether somebody waits for a connection to end, so that an idle one should.
    pub fn wants_room(&self) -> bool {
        self.wanted.load(Relaxed) > 0
    }

    async fn within<T, E>(&self, wait: impl Future<Output = Result<T, E>>) -> Option<T> {
        tokio::time::timeout(self.limits.queue_timeout, wait).await.ok()?.ok()
    }
}

/// Counted among those that wait, for as long as it lives.
struct Waiting<'a>(&'a AtomicU32);

impl<'a> Waiting<'a> {
    fn join(count: &'a AtomicU32, most: u32) -> Option<Self> {
        let joined = count.fetch_update(Relaxed, Relaxed, |waiting| (waiting < most).then(|| waiting + 1));
        // Made only then: dropped, it leaves.
        joined.is_ok().then(|| Self(count))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt;

    use super::*;

    fn circuit(connections: u32, requests: u32, queue: u32) -> Circuit {
        Circuit::new(CircuitLimits { connections, requests, queue, queue_timeout: Duration::from_secs(1) }, false)
    }

    fn gauge() -> IntGauge {
        IntGauge::new("queue", "queue").unwrap()
    }

    #[test]
    fn zero_limits_nothing() {
        let circuit = circuit(0, 0, 0);
        let places: Vec<_> = (0..1000).map_while(|_| circuit.enter()).collect();
        assert_eq!(places.len(), 1000);
        assert!(circuit.room(|| panic!("nobody waits")).now_or_never().flatten().is_some());
    }

    #[test]
    fn as_many_requests_as_the_lower_limit_allows() {
        for limited in [circuit(0, 2, 0), circuit(2, 0, 0), circuit(2, 5, 0), circuit(5, 2, 0)] {
            let places: Vec<_> = std::iter::from_fn(|| limited.enter()).collect();
            assert_eq!(places.len(), 2);
            assert!(!limited.has_room());
            drop(places);
            assert!(limited.has_room());
        }
    }

    #[test]
    fn where_requests_share_connections_these_limit_no_requests() {
        let limits = CircuitLimits { connections: 1, requests: 3, queue: 0, queue_timeout: Duration::from_secs(1) };
        let shared = Circuit::new(limits, true);
        assert_eq!(std::iter::from_fn(|| shared.enter()).take(9).collect::<Vec<_>>().len(), 3);
        let room = shared.room_at_once();
        assert!(room.is_some() && !shared.has_connection() && shared.room_at_once().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn who_came_first_is_served_first_and_who_comes_meanwhile_does_not_push_in() {
        let (circuit, length) = (circuit(0, 1, 2), gauge());
        let place = circuit.enter().unwrap();
        let mut first = Box::pin(circuit.queue(&length));
        let mut second = Box::pin(circuit.queue(&length));
        assert!(first.as_mut().now_or_never().is_none() && second.as_mut().now_or_never().is_none());
        assert_eq!(length.get(), 2);
        assert!(circuit.queue(&length).await.is_none(), "the queue is full");
        drop(place);
        assert!(circuit.enter().is_none(), "the first in the queue has it");
        let place = first.await.unwrap();
        assert!(second.as_mut().now_or_never().is_none());
        drop(place);
        assert!(second.await.is_some());
        assert_eq!(length.get(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_refused_by_a_full_queue_leaves_no_room_in_it() {
        let (circuit, length) = (circuit(0, 1, 1), gauge());
        let _place = circuit.enter().unwrap();
        let mut first = Box::pin(circuit.queue(&length));
        assert!(first.as_mut().now_or_never().is_none());
        for _ in 0..3 {
            assert!(circuit.queue(&length).now_or_never().is_some_and(|place| place.is_none()));
        }
        assert_eq!(circuit.queued.load(Relaxed), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_longer_than_the_time() {
        let (circuit, length) = (circuit(0, 1, 1), gauge());
        let _place = circuit.enter().unwrap();
        assert!(circuit.queue(&length).await.is_none());
        assert_eq!(length.get(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_is_asked_to_give_way() {
        let circuit = circuit(1, 0, 0);
        let room = circuit.room(|| {}).await.unwrap();
        assert!(!circuit.wants_room());
        let mut asked = false;
        let mut waiting = Box::pin(circuit.room(|| asked = true));
        assert!(waiting.as_mut().now_or_never().is_none());
        assert!(circuit.wants_room());
        drop(room);
        assert!(waiting.await.is_some());
        assert!(asked && !circuit.wants_room());
    }
}
