//! Connections to backends, kept by each worker for itself: idle ones of HTTP/1.1, and all of HTTP/2.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::upstream::{Connection, Http1, Shared};
use crate::table::{Backend, BackendKey, Circuit, Outcomes};

/// The connections of one worker. The lock is never contended: only the worker's own thread takes it, and never across
/// an `.await`; it is there because tasks must be `Send`.
#[derive(Default)]
pub(super) struct Pool {
    kept: Mutex<BTreeMap<BackendKey, Kept>>,
}

/// Those to one backend.
struct Kept {
    idle: Vec<(Box<Http1>, Instant)>,
    /// Since when each is idle, as far as was seen.
    shared: Vec<(Arc<Shared>, Option<Instant>)>,
    timeout: Duration,
    max_age: Duration,
    circuit: Option<Arc<Circuit>>,
    /// Gone when the configuration names the backend no longer, and its last request has ended.
    outcomes: Weak<Outcomes>,
}

impl Pool {
    /// The connection to `backend` that was used last and is not known to be closed, of those that are for `owner`.
    /// Whether it was closed meanwhile shows when it is used, before anything is written. Of HTTP/2 a stream.
    pub(super) fn take(&self, backend: &Backend, owner: Option<&[u8]>) -> Option<Connection> {
        let mut pool = self.lock();
        let kept = pool.get_mut(&backend.key)?;
        if backend.upstream.h2 {
            let free = |shared: &&(Arc<Shared>, _)| shared.0.owner.as_deref() == owner && shared.0.has_room();
            let young = |shared: &&(Arc<Shared>, _)| shared.0.opened().elapsed() < kept.max_age;
            let (shared, _) = kept.shared.iter().filter(young).find(free)?;
            return Some(shared.stream().into());
        }
        if owner.is_some() {
            kept.idle.retain(|(connection, _)| connection.is_ready());
            let place = kept.idle.iter().rposition(|(connection, _)| connection.owner.as_deref() == owner)?;
            return Some(Connection::Http1(kept.idle.remove(place).0));
        }
        while let Some((connection, _)) = kept.idle.pop() {
            if connection.is_ready() {
                return Some(Connection::Http1(connection));
            }
        }
        None
    }

    /// A stream of the HTTP/2 connection that is used least, full or not.
    pub(super) fn squeeze_in(&self, backend: &Backend, owner: Option<&[u8]>) -> Option<Connection> {
        let pool = self.lock();
        let open = pool.get(&backend.key)?.shared.iter().map(|(shared, _)| shared);
        let mine = open.filter(|shared| !shared.is_closed() && shared.owner.as_deref() == owner);
        mine.min_by_key(|shared| shared.active()).map(|shared| shared.stream().into())
    }

    /// Keeps a connection whose last exchange ended at `now`. It is closed instead when it is too old, can't be used
    /// again, enough are idle, or somebody waits for one to end.
    pub(super) fn put(&self, backend: &Backend, connection: Connection, now: Instant) {
        let limits = &backend.pool;
        let connection = match connection {
            Connection::Http1(connection) => connection,
            // It is here already. Who waits for it to end is served.
            Connection::Http2(stream) => {
                drop(stream);
                if wants_room(backend.circuit.as_ref()) {
                    self.give_way();
                }
                return;
            }
        };
        let too_old = connection.opened.checked_add(limits.max_age).is_some_and(|end| now >= end);
        if connection.is_closed() || too_old || wants_room(backend.circuit.as_ref()) {
            return;
        }
        let mut pool = self.lock();
        let kept = Kept::of(&mut pool, backend);
        if connection.owner.is_some() && kept.idle.len() == limits.max_idle && limits.max_idle > 0 {
            // The client of the one that has been idle for the longest has gone, as far as can be told.
            kept.idle.remove(0);
        }
        if kept.idle.len() < limits.max_idle {
            connection.rest();
            kept.idle.push((connection, now));
        }
    }

    /// Takes in a fresh connection of HTTP/2.
    pub(super) fn add(&self, backend: &Backend, shared: Arc<Shared>) {
        let mut pool = self.lock();
        let kept = &mut Kept::of(&mut pool, backend).shared;
        if shared.owner.is_some() {
            // Each is of use to one client alone, which may have gone.
            let idle = kept.iter().filter(|(shared, _)| shared.is_idle()).count();
            let mut excess = (idle + 1).saturating_sub(backend.pool.max_idle);
            kept.retain(|(shared, _)| {
                let goes = excess > 0 && shared.is_idle();
                excess -= usize::from(goes);
                !goes
            });
        }
        kept.push((shared, None));
    }

    /// Closes what has been idle for too long, was closed by its backend, leads to one that is configured no longer, or
    /// has to give way. What is in use or too old ends with its last request.
    pub(super) fn sweep(&self, now: Instant) {
        self.give_way();
        self.lock().retain(|_, kept| {
            if kept.outcomes.strong_count() == 0 {
                return false;
            }
            let (timeout, max_age) = (kept.timeout, kept.max_age);
            kept.idle.retain_mut(|(connection, since)| {
                now.saturating_duration_since(*since) < timeout && connection.check()
            });
            kept.shared.retain_mut(|(shared, since)| {
                *since = if shared.is_idle() { since.or(Some(now)) } else { None };
                let too_long = since.is_some_and(|since| now.saturating_duration_since(since) >= timeout);
                let too_old = now.saturating_duration_since(shared.opened()) >= max_age;
                !too_long && !too_old && !shared.is_closed()
            });
            !kept.idle.is_empty() || !kept.shared.is_empty()
        });
    }

    /// Closes the idle connections to backends that are given no more, where somebody waits for one to end.
    pub(super) fn give_way(&self) {
        self.lock().retain(|_, kept| {
            if wants_room(kept.circuit.as_ref()) {
                kept.idle.clear();
                kept.shared.retain(|(shared, _)| !shared.is_idle());
            }
            !kept.idle.is_empty() || !kept.shared.is_empty()
        });
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<BackendKey, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn of<'p>(pool: &'p mut BTreeMap<BackendKey, Self>, backend: &Backend) -> &'p mut Self {
        let kept = pool.entry(backend.key).or_insert_with(|| Self {
            idle: Vec::new(),
            shared: Vec::new(),
            timeout: backend.pool.idle_timeout,
            max_age: backend.pool.max_age,
            circuit: backend.circuit.clone(),
            outcomes: Arc::downgrade(&backend.outcomes),
        });
        (kept.timeout, kept.max_age) = (backend.pool.idle_timeout, backend.pool.max_age);
        kept
    }
}

fn wants_room(circuit: Option<&Arc<Circuit>>) -> bool {
    circuit.is_some_and(|circuit| circuit.wants_room())
}
