//! Idle connections to backends, kept by each worker for itself.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::upstream::Connection;
use crate::table::{Backend, BackendKey, Circuit, Outcomes};

/// The idle connections of one worker. The lock is never contended: only the worker's own thread takes it, and never
/// across an `.await`; it is there because tasks must be `Send`.
#[derive(Default)]
pub(super) struct Pool {
    idle: Mutex<BTreeMap<BackendKey, Idle>>,
}

struct Idle {
    connections: Vec<(Box<Connection>, Instant)>,
    timeout: Duration,
    circuit: Option<Arc<Circuit>>,
    /// Gone when the configuration names the backend no longer, and its last request has ended.
    outcomes: Weak<Outcomes>,
}

impl Pool {
    /// The connection to `backend` that was used last and is not known to be closed. Whether it was closed meanwhile
    /// shows when it is used, before anything is written.
    pub(super) fn take(&self, backend: &Backend) -> Option<Box<Connection>> {
        let mut pool = self.lock();
        let idle = pool.get_mut(&backend.key)?;
        while let Some((connection, _)) = idle.connections.pop() {
            if connection.is_ready() {
                return Some(connection);
            }
        }
        None
    }

    /// Keeps a connection whose last exchange ended at `now`. It is closed instead when it is too old, can't be used
    /// again, enough are idle, or somebody waits for one to end.
    pub(super) fn put(&self, backend: &Backend, connection: Box<Connection>, now: Instant) {
        let limits = &backend.pool;
        let too_old = now.saturating_duration_since(connection.opened) >= limits.max_age;
        if connection.is_closed() || too_old || wants_room(backend.circuit.as_ref()) {
            return;
        }
        let mut pool = self.lock();
        let idle = pool.entry(backend.key).or_insert_with(|| Idle {
            connections: Vec::new(),
            timeout: limits.idle_timeout,
            circuit: backend.circuit.clone(),
            outcomes: Arc::downgrade(&backend.outcomes),
        });
        idle.timeout = limits.idle_timeout;
        if idle.connections.len() < limits.max_idle {
            connection.rest();
            idle.connections.push((connection, now));
        }
    }

    /// Closes what has been idle for too long, was closed by its backend, leads to one that is configured no longer, or
    /// has to give way.
    pub(super) fn sweep(&self, now: Instant) {
        self.give_way();
        self.lock().retain(|_, idle| {
            if idle.outcomes.strong_count() == 0 {
                return false;
            }
            let timeout = idle.timeout;
            idle.connections.retain_mut(|(connection, since)| {
                now.saturating_duration_since(*since) < timeout && connection.check()
            });
            !idle.connections.is_empty()
        });
    }

    /// Closes the idle connections to backends that are given no more, where somebody waits for one to end.
    pub(super) fn give_way(&self) {
        self.lock().retain(|_, idle| !wants_room(idle.circuit.as_ref()));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<BackendKey, Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wants_room(circuit: Option<&Arc<Circuit>>) -> bool {
    circuit.is_some_and(|circuit| circuit.wants_room())
}
