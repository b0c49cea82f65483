//! Idle connections to backends, kept by each worker for itself.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hyper::client::conn::http1::SendRequest;

use super::upload::Upload;
use crate::net::stream::Witness;
use crate::table::{Backend, BackendKey};

/// A connection to a backend that is ready for a request, or on its way to be.
pub(super) struct Connection {
    pub(super) sender: SendRequest<Upload>,
    pub(super) heard: Arc<Heard>,
    pub(super) opened: Instant,
}

/// Whether a backend has sent a byte since the last request went out.
#[derive(Debug, Default)]
pub(super) struct Heard(AtomicBool);

impl Heard {
    pub(super) fn reset(&self) {
        self.0.store(false, Relaxed);
    }

    pub(super) fn any(&self) -> bool {
        self.0.load(Relaxed)
    }
}

impl Witness for Arc<Heard> {
    fn read(&self, _bytes: usize) {
        self.0.store(true, Relaxed);
    }

    fn written(&self, _bytes: usize) {}
}

/// The idle connections of one worker. The lock is never contended: only the worker's own thread takes it, and never
/// across an `.await`; it is there because tasks must be `Send`.
#[derive(Default)]
pub(super) struct Pool {
    idle: Mutex<BTreeMap<BackendKey, Idle>>,
}

struct Idle {
    connections: Vec<(Connection, Instant)>,
    timeout: Duration,
}

impl Pool {
    /// The connection to `backend` that was used last and is still open and young enough.
    pub(super) fn take(&self, backend: &Backend) -> Option<Connection> {
        let mut pool = self.lock();
        let idle = pool.get_mut(&backend.key)?;
        while let Some((connection, _)) = idle.connections.pop() {
            if connection.sender.is_ready() {
                return Some(connection);
            }
        }
        None
    }

    /// Keeps a connection whose last exchange is over, at the time `now`. It is closed instead when it is too old, the
    /// backend has closed it, or enough are idle.
    pub(super) fn put(&self, backend: &Backend, connection: Connection, now: Instant) {
        let limits = &backend.pool;
        if connection.sender.is_closed() || now.duration_since(connection.opened) >= limits.max_age {
            return;
        }
        let mut pool = self.lock();
        let idle =
            pool.entry(backend.key).or_insert_with(|| Idle { connections: Vec::new(), timeout: limits.idle_timeout });
        if idle.connections.len() < limits.max_idle {
            idle.connections.push((connection, now));
        }
    }

    /// Closes what has been idle for too long or was closed by its backend.
    pub(super) fn sweep(&self, now: Instant) {
        self.lock().retain(|_, idle| {
            let timeout = idle.timeout;
            idle.connections
                .retain(|(connection, since)| !connection.sender.is_closed() && now.duration_since(*since) < timeout);
            !idle.connections.is_empty()
        });
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<BackendKey, Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
