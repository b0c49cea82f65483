//! One attempt at one backend: over a pooled connection or a fresh one, and sent again where that is safe.

use std::future::{Future as _, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;

use super::super::connect;
use super::super::exchange::Exchange;
use super::super::handler::Client;
use super::super::refusal::Refusal;
use super::super::upload::Upload;
use super::super::upstream::{Connection, Unanswered};
use super::super::worker::Worker;
use super::errand::Errand;
use super::{again, waiting, whole};
use crate::metrics::Failure;
use crate::model::Track;
use crate::table::Backend;

/// Fresh connections that are tried for one attempt whose bytes never went out.
const MAX_CONNECTS: u32 = 3;

/// What a backend answered.
pub(in crate::proxy) struct Answer {
    pub(in crate::proxy) response: Response<Incoming>,
    /// The whole body, if it was short and the request could have been repeated.
    pub(in crate::proxy) whole: Option<Bytes>,
    pub(in crate::proxy) connection: Box<Connection>,
}

/// How an attempt ended.
pub(super) enum Ended {
    Answered(Answer),
    Failed(Failure),
    /// It is the client's doing.
    ByClient(Refusal),
    /// The backend left the rotation before anything was written: this one has its turn instead.
    Left(Arc<Backend>),
    /// The canary was taken out while the request waited on it.
    Ejected,
    /// The backend's limits allow no further connection.
    Full,
}

/// Sends the request of `errand` to the backend of `exchange`, and waits for the response's head, or for all of it when
/// it is short and could be retried.
///
/// - A request of which nothing was written, because the pooled connection turned out to be closed, is sent again on a
///   fresh connection, whatever its method.
/// - One that was written to a *reused* connection and got no byte back is sent again, once, if it is a GET, HEAD or
///   OPTIONS without a body.
///
/// Whether the backend is still in rotation is looked at once more just before anything is written. Cancel safe: dropped,
/// it closes the connection that it uses.
pub(super) async fn attempt(client: &Client, exchange: &Exchange, errand: &mut Errand) -> Ended {
    let (worker, pace) = (&client.worker, &client.pace);
    let mut pooled = first_connection(worker, exchange, errand);
    let mut connects = 0;
    loop {
        let reused = pooled.is_some();
        let mut connection = match pooled.take() {
            Some(connection) => connection,
            None if connects == MAX_CONNECTS => return Ended::Failed(Failure::Closed),
            None => {
                connects += 1;
                // Boxed: connecting is rare, and its state would make every request's larger.
                match Box::pin(fresh_connection(worker, exchange, errand)).await {
                    Ok(connection) => connection,
                    Err(ended) => return ended,
                }
            }
        };
        if let Some(other) = worker.table.read(|table| again::rerouted(table, exchange, errand)) {
            worker.pool.put(&exchange.backend, connection, Instant::now());
            return Ended::Left(other);
        }
        let Some(request) = errand.take(&exchange.backend) else { return Ended::Failed(Failure::Closed) };
        let timeout = exchange.backend.timeout;
        if exchange.backend.circuit.is_some() {
            // The time that its limits made the request wait is not the backend's.
            pace.again();
        }
        pace.sent(errand.has_body(), timeout.idle, timeout.response);
        let mut error = match head(client, exchange, errand, &mut connection, request).await {
            Ok(Ok(response)) => return answered(client, exchange, errand, response, connection).await,
            Ok(Err(error)) => error,
            Err(GivenUp::Missed) if pace.gone() => return Ended::ByClient(Refusal::ClientGone),
            Err(GivenUp::Missed) if pace.starved() => return Ended::ByClient(Refusal::SlowClient),
            Err(GivenUp::Missed) => return Ended::Failed(Failure::Timeout),
            Err(GivenUp::Ejected) => return Ended::Ejected,
        };
        if pace.gone() {
            return Ended::ByClient(Refusal::ClientGone);
        }
        let failure = kind(error.error());
        let silent = failure == Failure::Closed && !connection.heard_any();
        match error.take_message() {
            Some(unsent) => errand.put_back(unsent),
            None if silent && reused && errand.is_resendable() && !super::is_poison(worker, exchange, errand) => {}
            None => {
                tracing::debug!(backend = %exchange.backend.id, error = %error.error(), "no response");
                if silent {
                    super::note_death(worker, exchange, errand);
                }
                return Ended::Failed(failure);
            }
        }
        exchange.backend.metrics.resends.inc();
    }
}

/// A pooled connection, if there is one. A request under which a backend died gets a fresh one: whether that ends without
/// a byte as well must not be left in doubt by a connection that had been closed before.
fn first_connection(worker: &Worker, exchange: &Exchange, errand: &Errand) -> Option<Box<Connection>> {
    // At its limits a backend gets no fresh connection beside an idle one.
    let fresh = errand.killed_one && exchange.backend.circuit.is_none();
    if fresh { None } else { worker.pool.take(&exchange.backend) }
}

/// A new connection, unless the backend leaves the rotation meanwhile.
async fn fresh_connection(worker: &Worker, exchange: &Exchange, errand: &mut Errand) -> Result<Box<Connection>, Ended> {
    let opened = tokio::select! {
        biased;
        opened = connect::open(worker, &exchange.backend) => opened,
        other = waiting::left(worker, exchange, errand) => return Err(Ended::Left(other)),
    };
    opened.map_err(|error| {
        if error.kind() == io::ErrorKind::QuotaExceeded {
            return Ended::Full;
        }
        tracing::debug!(backend = %exchange.backend.id, %error, "connect failed");
        Ended::Failed(Failure::Connect)
    })
}

/// Why a response's head is not waited for any longer.
enum GivenUp {
    Missed,
    Ejected,
}

async fn head(
    client: &Client,
    exchange: &Exchange,
    errand: &Errand,
    connection: &mut Connection,
    request: Request<Upload>,
) -> Result<Result<Response<Incoming>, Unanswered>, GivenUp> {
    let (worker, pace) = (&client.worker, &client.pace);
    let watched = exchange.backend.track == Track::Canary && !errand.retried && errand.is_repeatable();
    let mut changed = pin!(watched.then(|| worker.waiting.changed()));
    let mut sent = pin!(connection.send(request));
    poll_fn(|cx| {
        if let Poll::Ready(came) = connection.poll_response(sent.as_mut(), cx) {
            return Poll::Ready(Ok(came));
        }
        if pace.missed() {
            return Poll::Ready(Err(GivenUp::Missed));
        }
        while let Some(change) = changed.as_mut().as_pin_mut()
            && change.poll(cx).is_ready()
        {
            changed.set(Some(worker.waiting.changed()));
            if super::has_to_move(worker, exchange, errand) {
                return Poll::Ready(Err(GivenUp::Ejected));
            }
        }
        Poll::Pending
    })
    .await
}

async fn answered(
    client: &Client,
    exchange: &Exchange,
    errand: &Errand,
    mut response: Response<Incoming>,
    mut connection: Box<Connection>,
) -> Ended {
    if response.status().is_informational() {
        // An upgrade that nobody asked for: the request went without `Upgrade`.
        return Ended::Failed(Failure::Malformed);
    }
    let whole = if errand.is_repeatable()
        && !client.pace.uploading()
        && whole::is_short(response.body())
        && !errand.rejects(exchange, response.status())
    {
        let idle = exchange.backend.timeout.idle;
        match whole::read(&mut connection, response.body_mut(), &client.pace, idle).await {
            Some(whole) => Some(whole),
            None => return Ended::Failed(Failure::Body),
        }
    } else {
        None
    };
    Ended::Answered(Answer { response, whole, connection })
}

fn kind(error: &hyper::Error) -> Failure {
    if error.is_parse() || error.is_parse_too_large() || error.is_parse_status() {
        Failure::Malformed
    } else {
        Failure::Closed
    }
}
