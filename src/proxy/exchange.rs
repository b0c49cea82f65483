//! What is counted when a request is over.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::StatusCode;
use http_body::Frame;
use hyper::body::Incoming;

use super::access::Entry;
use super::pace::Pace;
use super::upstream::Connection;
use super::worker::Worker;
use crate::metrics::{Class, Failure};
use crate::table::Backend;

/// One request at one backend, from the choice of the backend to the last byte of the response. In flight for as long
/// as this lives; counted once when it ends, however it ends.
pub(super) struct Exchange {
    pub(super) backend: Arc<Backend>,
    worker: Arc<Worker>,
    pace: Arc<Pace>,
    began: u64,
    class: Class,
    /// When the response was complete, on the clock of `pace`.
    ended: Option<u64>,
    connection: Option<Box<Connection>>,
    /// The response's body waits for the backend, not for the client.
    starved: bool,
    entry: Option<Box<Entry>>,
}

impl Exchange {
    /// `began`: the request's first byte, on the clock of `pace`.
    pub(super) fn new(
        backend: Arc<Backend>,
        worker: Arc<Worker>,
        pace: Arc<Pace>,
        began: u64,
        entry: Option<Box<Entry>>,
    ) -> Self {
        backend.metrics.in_flight.inc();
        Self {
            backend,
            worker,
            pace,
            began,
            class: Class::Canceled,
            ended: None,
            connection: None,
            starved: false,
            entry,
        }
    }

    /// Moves the request to another backend, because the first one left the rotation before anything was sent.
    pub(super) fn reroute(&mut self, backend: Arc<Backend>) {
        backend.metrics.in_flight.inc();
        self.backend.metrics.in_flight.dec();
        self.backend = backend;
    }

    /// A response with this status is on its way to the client.
    pub(super) fn responding(&mut self, status: StatusCode, connection: Option<Box<Connection>>) {
        self.class = Class::from(status);
        self.connection = connection;
        if let Some(entry) = &mut self.entry {
            entry.status = status.as_u16();
        }
    }

    /// The next frame of the response's body.
    pub(super) fn poll_frame(
        &mut self,
        body: &mut Incoming,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = match &mut self.connection {
            Some(connection) => connection.poll_frame(body, cx),
            // Over: the connection went back to the pool with the last frame.
            None => Poll::Ready(None),
        };
        self.starved = polled.is_pending();
        polled
    }

    /// So many bytes of the response's body went by.
    pub(super) fn moved(&mut self, bytes: usize) {
        if let Some(entry) = &mut self.entry {
            entry.bytes += bytes as u64;
        }
    }

    /// The response is complete: its connection can serve another request, unless the request's body was not taken
    /// whole.
    pub(super) fn complete(&mut self) {
        if self.ended.is_some() {
            return;
        }
        let now = self.pace.finished();
        self.ended = Some(now);
        if let Some(connection) = self.connection.take()
            && !self.pace.uploading()
        {
            self.worker.pool.put(&self.backend, connection, self.pace.instant(now));
        }
    }

    /// The response's body broke off, or stood still for too long on the backend's side.
    pub(super) fn broken(&mut self) {
        self.ended = Some(self.pace.now());
        self.backend.metrics.failure(Failure::Body).inc();
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if self.ended.is_none() && self.starved && self.pace.missed() {
            self.broken();
        }
        let metrics = &self.backend.metrics;
        metrics.in_flight.dec();
        let (class, ended) = match self.ended {
            Some(ended) => (self.class, ended),
            None => (Class::Canceled, self.pace.now()),
        };
        metrics.class(class).inc();
        let nanos = ended.saturating_sub(self.began);
        metrics.seconds.observe(nanos as f64 / 1e9);
        if let (Some(entry), Some(access)) = (self.entry.take(), &self.worker.access) {
            access.write(&entry, Some(&self.backend), class, nanos);
        }
    }
}
