//! HTTP/2 connections that are being opened, so that many requests at once open one and not one each.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::{Shared, WeakShared};

use super::connect;
use super::upstream::{Connection, Owner};
use super::worker::Worker;
use crate::table::{Backend, BackendKey};

/// What the requests of one worker wait for. Its lock is never contended and never held across an `.await`.
#[derive(Default)]
pub(super) struct Opening(Mutex<BTreeMap<BackendKey, WeakShared<Attempt>>>);

type Attempt = Pin<Box<dyn Future<Output = Result<(), Arc<io::Error>>> + Send>>;

/// A stream to `backend` over a connection that is open, else over a fresh one. Where the backend's limits allow none
/// beside those that are open, the request waits inside one of these for a stream to end.
///
/// Cancel safe: a connection that others wait for as well is opened nevertheless.
///
/// # Errors
/// As [`connect::http2`].
pub(super) async fn stream(worker: &Arc<Worker>, backend: &Arc<Backend>, owner: Owner) -> io::Result<Connection> {
    loop {
        if let Some(stream) = worker.pool.take(backend, owner.as_deref()) {
            return Ok(stream);
        }
        let full = backend.circuit.as_ref().is_some_and(|circuit| !circuit.has_connection());
        if full && let Some(stream) = worker.pool.squeeze_in(backend, owner.as_deref()) {
            return Ok(stream);
        }
        if owner.is_some() {
            let shared = connect::http2(worker, backend, owner).await?;
            worker.pool.add(backend, shared.clone());
            return Ok(shared.stream().into());
        }
        let attempt = worker.opening.attempt(worker, backend);
        attempt.await.map_err(|error| io::Error::new(error.kind(), error))?;
    }
}

impl Opening {
    /// The attempt that is under way, or a new one.
    fn attempt(&self, worker: &Arc<Worker>, backend: &Arc<Backend>) -> Shared<Attempt> {
        let mut under_way = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = under_way.get(&backend.key).and_then(WeakShared::upgrade);
        if let Some(attempt) = known.filter(|attempt| attempt.peek().is_none()) {
            return attempt;
        }
        under_way.retain(|_, attempt| attempt.upgrade().is_some());
        let (worker, backend) = (worker.clone(), backend.clone());
        let key = backend.key;
        let attempt: Attempt = Box::pin(async move {
            let shared = connect::http2(&worker, &backend, None).await?;
            worker.pool.add(&backend, shared);
            Ok(())
        });
        let attempt = attempt.shared();
        under_way.extend(attempt.downgrade().map(|weak| (key, weak)));
        attempt
    }
}
