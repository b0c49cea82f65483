//! What is counted when a request is over.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body::Frame;
use hyper::body::Incoming;

use super::access::Entry;
use super::deliver::is_pass;
use super::grpc;
use super::pace::Pace;
use super::turn::Turn;
use super::upstream::Connection;
use crate::metrics::{Class, Failure, Open, Refused};
use crate::table::{Backend, BudgetSeat, Place, TrialSeat};

/// One request at one backend after another, from the choice of the first to the last byte of the response. In flight
/// for as long as this lives; counted once when it ends, however it ends, for the backend that had it last; a tunnel
/// when it begins. Each backend is told at most once whether it passed or failed: not when the client went away, or the
/// request was moved.
pub(super) struct Exchange {
    pub(super) backend: Arc<Backend>,
    worker: Turn,
    pace: Arc<Pace>,
    began: u64,
    class: Class,
    /// When the response was complete, on the clock of `pace`.
    ended: Option<u64>,
    connection: Option<Connection>,
    /// The backend passes if the response ends well.
    passing: bool,
    /// The response's trailers may say that it failed.
    grpc: bool,
    /// `None` for most.
    seats: Option<Box<Seats>>,
    /// The response's body waits for the backend, not for the client.
    starved: bool,
    entry: Option<Box<Entry>>,
}

/// What an exchange holds for as long as it runs.
#[derive(Default)]
struct Seats {
    trial: Option<TrialSeat>,
    place: Option<Place>,
    budget: Option<BudgetSeat>,
    tunnel: Option<Open>,
}

impl Exchange {
    /// `began`: the request's first byte, on the clock of `pace`. `trial`: the canary that `backend` belongs to is put
    /// to the test by it.
    pub(super) fn new(
        backend: Arc<Backend>,
        worker: Turn,
        pace: Arc<Pace>,
        began: u64,
        trial: Option<TrialSeat>,
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
            passing: false,
            grpc: false,
            seats: trial.map(|seat| Box::new(Seats { trial: Some(seat), ..Seats::default() })),
            starved: false,
            entry,
        }
    }

    /// Moves the request to another backend before anything was sent, because the first one left the rotation or is at
    /// its limits. A trial that it was is given back.
    pub(super) fn reroute(&mut self, backend: Arc<Backend>) {
        backend.metrics.in_flight.inc();
        self.backend.metrics.in_flight.dec();
        self.backend = backend;
        if let Some(seats) = &mut self.seats {
            seats.trial = None;
            seats.place = None;
        }
    }

    /// The same for a request that was sent, and is given to another backend once more.
    pub(super) fn retry(&mut self, backend: Arc<Backend>, budget: Option<BudgetSeat>) {
        self.reroute(backend);
        if budget.is_some() {
            self.seats.get_or_insert_default().budget = budget;
        }
    }

    /// The request has a place at its backend, which has limits.
    pub(super) fn enter(&mut self, place: Place) {
        self.seats.get_or_insert_default().place = Some(place);
    }

    /// Whether the request is the one that the canary's way back hangs on.
    pub(super) fn on_trial(&self) -> bool {
        self.seats.as_ref().is_some_and(|seats| seats.trial.is_some())
    }

    /// The attempt at the backend failed without a whole answer.
    pub(super) fn fail(&mut self, failure: Failure) {
        self.backend.metrics.failure(failure).inc();
        self.count(false);
    }

    /// The same for an upgrade where HTTP/2 is spoken: whether a backend knows HTTP/1.1 besides, nobody has said, and a
    /// client that tries must not take it out.
    pub(super) fn fail_upgrade(&self, failure: Failure) {
        self.backend.metrics.failure(failure).inc();
    }

    /// The backend gave an answer with this status, which goes to no client.
    pub(super) fn judge(&mut self, status: StatusCode) {
        self.count_as(is_pass(status), false);
    }

    fn count(&mut self, passed: bool) {
        self.count_as(passed, passed);
    }

    fn count_as(&mut self, passed: bool, trial_passed: bool) {
        if passed {
            self.backend.pass()
        } else {
            self.backend.fail()
        }
        if let Some(trial) = self.seats.as_mut().and_then(|seats| seats.trial.take()) {
            if trial_passed { trial.passed() } else { trial.failed() }
        }
    }

    /// A response of a backend to a call of gRPC is on its way to the client.
    pub(super) fn responding_to_grpc(&mut self, response: &Response<Incoming>, connection: Connection) {
        self.grpc = true;
        let passing = is_pass(response.status()) && grpc::passes(response.headers());
        self.respond(response.status(), passing, Some(connection));
    }

    /// A response with this status is on its way to the client.
    pub(super) fn responding(&mut self, status: StatusCode, connection: Option<Connection>) {
        self.respond(status, is_pass(status), connection);
    }

    fn respond(&mut self, status: StatusCode, passing: bool, connection: Option<Connection>) {
        self.class = Class::from(status);
        if let Some(seats) = &mut self.seats {
            // What a retry may add to is the work on an answer, not the time that its client takes to read it.
            seats.budget = None;
        }
        if connection.is_some() {
            self.passing = passing;
            if !self.passing {
                self.count(false);
            } else if let Some(trial) = self.seats.as_ref().and_then(|seats| seats.trial.as_ref()) {
                trial.answered();
            }
        }
        self.connection = connection;
        if let Some(entry) = &mut self.entry {
            entry.status = status.as_u16();
        }
    }

    /// The backend has agreed to a tunnel, over `connection`: that is its answer, whatever becomes of the tunnel.
    pub(super) fn tunnel(&mut self, connection: Connection) {
        self.pace.tunnel(self.backend.timeout.tunnel);
        self.responding(StatusCode::SWITCHING_PROTOCOLS, Some(connection));
        self.passing = false;
        self.count(true);
        let now = self.pace.now();
        self.tally(self.class, now);
        self.seats.get_or_insert_default().tunnel = Some(Open::one(&self.backend.metrics.tunnels));
    }

    /// Something went through the tunnel; `bytes` of it to the client.
    pub(super) fn tunnelled(&mut self, bytes: usize) {
        self.pace.tunnelled();
        self.moved(bytes);
    }

    /// The client was told that nothing more will come through the tunnel.
    pub(super) fn hang_up(&self) {
        self.pace.hang_up();
    }

    /// One end of the tunnel broke.
    pub(super) fn break_off(&self) {
        self.pace.break_off();
    }

    /// The tunnel is about to be closed: at both ends properly, or at neither.
    pub(super) fn close_tunnel(&self) {
        if self.pace.missed() {
            self.worker.metrics.refused.count(Refused::Idle);
        }
        if self.pace.is_broken_off()
            && let Some(connection) = &self.connection
        {
            connection.break_off();
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
        if self.grpc
            && let Poll::Ready(Some(Ok(frame))) = &polled
            && frame.trailers_ref().is_some_and(|trailers| !grpc::passes(trailers))
            && std::mem::take(&mut self.passing)
        {
            self.count(false);
        }
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
        if std::mem::take(&mut self.passing) {
            self.count(true);
        }
        if let Some(connection) = self.connection.take()
            && !self.pace.uploading()
        {
            self.worker.pool.put(&self.backend, connection, self.pace.instant(now));
        }
    }

    /// The response's body broke off, or stood still for too long on the backend's side.
    pub(super) fn broken(&mut self) {
        if self.pace.gone() {
            // The client broke its upload off, or sent more than it may; it counts as one that went away.
            if self.pace.overran() {
                self.worker.metrics.refused.count(Refused::Body);
            }
            return;
        }
        self.ended = Some(self.pace.now());
        self.backend.metrics.failure(Failure::Body).inc();
        if std::mem::take(&mut self.passing) {
            self.count(false);
        }
    }
}

impl Exchange {
    fn tally(&self, class: Class, ended: u64) {
        let metrics = &self.backend.metrics;
        metrics.class(class).inc();
        metrics.seconds.observe(ended.saturating_sub(self.began) as f64 / 1e9);
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if self.ended.is_none() && self.starved && self.pace.missed() {
            self.broken();
        }
        if self.connection.is_some() {
            self.pace.abandon();
        }
        // First: who sees that the request is over finds its place free.
        let tunnel = self.seats.take().is_some_and(|seats| seats.tunnel.is_some());
        self.backend.metrics.in_flight.dec();
        let (class, ended) = match self.ended {
            Some(ended) => (self.class, ended),
            None if tunnel => (self.class, self.pace.now()),
            None => (Class::Canceled, self.pace.now()),
        };
        if !tunnel {
            self.tally(class, ended);
        }
        let nanos = ended.saturating_sub(self.began);
        if let (Some(entry), Some(access)) = (self.entry.take(), &self.worker.access) {
            access.write(&entry, Some(&self.backend), class, nanos);
        }
    }
}
