//! One attempt at one backend: over a pooled connection or a fresh one, and sent again where that is safe.

use std::error::Error as _;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use futures_util::future::Either;
use http::Response;
use hyper::body::Incoming;

use super::super::exchange::Exchange;
use super::super::handler::Client;
use super::super::headers::{forward_response, scan};
use super::super::pace::Pace;
use super::super::refusal::Refusal;
use super::super::upstream::{Connection, Fate, Owner, Sent, Unanswered, form};
use super::super::{connect, opening};
use super::errand::Errand;
use super::whole::Whole;
use super::{again, waiting, whole};
use crate::metrics::Failure;
use crate::model::Track;
use crate::table::Backend;

/// Fresh connections that are tried for one attempt whose bytes never went out.
const MAX_CONNECTS: u32 = 3;
/// How often one attempt is made that the backend does not look at.
const MAX_REFUSALS: u32 = 3;

/// What a backend answered. Filled in where it lies: a response is too large to be handed from function to function.
#[derive(Default)]
pub(in crate::proxy) struct Answer {
    pub(in crate::proxy) response: Option<Response<Incoming>>,
    /// The whole body, if it was short and the request could have been repeated.
    pub(in crate::proxy) whole: Option<Whole>,
    pub(in crate::proxy) connection: Option<Connection>,
}

/// How an attempt ended.
pub(super) enum Ended {
    /// The answer has been filled in. `rejected`: its status is a failure that is worth a retry.
    Answered {
        rejected: bool,
    },
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
///   fresh connection, whatever its method; and so is one that the backend says it has not looked at.
/// - One that was written to a *reused* connection and got no byte back is sent again, once, if it is a GET, HEAD or
///   OPTIONS without a body.
///
/// Whether the backend is still in rotation is looked at once more just before anything is written. Cancel safe:
/// dropped, it closes the connection that it uses.
pub(super) async fn attempt(client: &Client, exchange: &Exchange, errand: &mut Errand, answer: &mut Answer) -> Ended {
    let (worker, pace) = (&client.worker, &client.pace);
    let owner = client.owner(&exchange.backend);
    let mut pooled = first_connection(client, exchange, errand, &owner);
    let (mut connects, mut refusals) = (0, 0);
    loop {
        let pooled_before = pooled.is_some();
        let mut connection = match pooled.take() {
            Some(connection) => connection,
            None if connects == MAX_CONNECTS => return Ended::Failed(Failure::Closed),
            None => {
                connects += 1;
                // Boxed: connecting is rare, and its state would make every request's larger.
                match Box::pin(fresh_connection(client, exchange, errand, owner.clone())).await {
                    Ok(connection) => connection,
                    Err(ended) => return ended,
                }
            }
        };
        let reused = pooled_before || connection.is_shared();
        if let Some(other) = worker.table.read(|table| again::rerouted(table, exchange, errand)) {
            worker.pool.put(&exchange.backend, connection, Instant::now());
            return Ended::Left(other);
        }
        let Some(mut request) = errand.take(client, &exchange.backend) else { return Ended::Failed(Failure::Closed) };
        if errand.upgrade.is_some() {
            connection.reserve();
        } else if exchange.backend.upstream.h2 && form::http2(&mut request, exchange.backend.secure.is_some()).is_none()
        {
            return Ended::ByClient(Refusal::Host);
        }
        let timeout = exchange.backend.timeout;
        if exchange.backend.circuit.is_some() {
            // The time that its limits made the request wait is not the backend's.
            pace.again();
        }
        pace.sent(errand.has_body(), timeout.idle, response_timeout(errand, pace, timeout.response));
        let sent = pin!(connection.send(request));
        let mut error = match head(client, exchange, errand, &mut connection, sent, answer).await {
            Ok(()) => return answered(client, exchange, errand, connection, answer).await,
            Err(GivenUp::Unanswered(error)) => error,
            Err(GivenUp::Missed) if pace.gone() => return Ended::ByClient(gone(pace)),
            Err(GivenUp::Missed) if pace.starved() => return Ended::ByClient(slow(pace)),
            Err(GivenUp::Missed) if errand.deadline.is_some_and(|deadline| deadline <= pace.now()) => {
                return Ended::ByClient(Refusal::Deadline);
            }
            Err(GivenUp::Missed) => {
                connection.missed();
                return Ended::Failed(Failure::Timeout);
            }
            Err(GivenUp::Ejected) => return Ended::Ejected,
        };
        if pace.gone() {
            return Ended::ByClient(gone(pace));
        }
        let (failure, fate) = (kind(error.error()), connection.fate(error.error()));
        let silent = failure == Failure::Closed && fate == Fate::Silent;
        match error.take_message() {
            Some(unsent) => errand.put_back(unsent),
            None if fate == Fate::Refused => {
                errand.take_back();
                refusals += 1;
                if refusals == MAX_REFUSALS || !errand.is_at_hand() {
                    return Ended::Failed(failure);
                }
            }
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

/// How long the response may take: no longer than the client waits for it.
fn response_timeout(errand: &Errand, pace: &Pace, timeout: Duration) -> Duration {
    match errand.deadline {
        Some(deadline) => timeout.min(Duration::from_nanos(deadline.saturating_sub(pace.now()))),
        None => timeout,
    }
}

/// A pooled connection, if there is one. A request under which a backend died gets a fresh one: whether that ends
/// without a byte as well must not be left in doubt by a connection that had been closed before. An upgrade gets one of
/// its own.
fn first_connection(client: &Client, exchange: &Exchange, errand: &Errand, owner: &Owner) -> Option<Connection> {
    // At its limits a backend gets no fresh connection beside an idle one.
    let fresh = errand.upgrade.is_some() || (errand.killed_one && exchange.backend.circuit.is_none());
    if fresh { None } else { client.worker.pool.take(&exchange.backend, owner.as_deref()) }
}

/// A new connection, unless the backend leaves the rotation meanwhile.
async fn fresh_connection(
    client: &Client,
    exchange: &Exchange,
    errand: &mut Errand,
    owner: Owner,
) -> Result<Connection, Ended> {
    let (worker, backend) = (&client.worker, &exchange.backend);
    // An upgrade is HTTP/1.1 whatever the track speaks.
    let shared = backend.upstream.h2 && errand.upgrade.is_none();
    let opening = async {
        if shared {
            opening::stream(worker, backend, owner).await
        } else {
            connect::http1(worker, backend, owner).await
        }
    };
    let opened = tokio::select! {
        biased;
        opened = opening => opened,
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

/// Why there is no response's head.
enum GivenUp {
    Unanswered(Box<Unanswered>),
    Missed,
    Ejected,
}

/// Waits for the head of the response to what was `sent`, and fills it in.
async fn head(
    client: &Client,
    exchange: &Exchange,
    errand: &Errand,
    connection: &mut Connection,
    mut sent: Pin<&mut Either<impl Future<Output = Sent>, impl Future<Output = Sent>>>,
    answer: &mut Answer,
) -> Result<(), GivenUp> {
    let (worker, pace) = (&client.worker, &client.pace);
    let watched = exchange.backend.track == Track::Canary && !errand.retried && errand.is_repeatable();
    let mut changed = pin!(watched.then(|| worker.waiting.changed()));
    poll_fn(|cx| {
        match connection.poll_response(sent.as_mut(), &mut answer.response, pace, cx) {
            Poll::Ready(sent) => return Poll::Ready(sent.map_err(GivenUp::Unanswered)),
            Poll::Pending if pace.missed() => return Poll::Ready(Err(GivenUp::Missed)),
            Poll::Pending => {}
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

/// Looks at the head that was filled in, makes it one for the client, and reads the body if it is short.
async fn answered(
    client: &Client,
    exchange: &Exchange,
    errand: &Errand,
    mut connection: Connection,
    answer: &mut Answer,
) -> Ended {
    let Some(response) = &mut answer.response else { return Ended::Failed(Failure::Closed) };
    let (found, version) = (scan(response.headers()), response.version());
    if response.status().is_informational() {
        let granted = errand.upgrade.as_ref().is_some_and(|upgrade| upgrade.is_granted(response));
        if !granted {
            // An upgrade that nobody asked for, or to what nobody asked for.
            return Ended::Failed(Failure::Malformed);
        }
        forward_response(response.headers_mut(), &found, version, client.worker.via);
        answer.connection = Some(connection);
        return Ended::Answered { rejected: false };
    }
    if !found.framing.is_clear(version) {
        return Ended::Failed(Failure::Malformed);
    }
    forward_response(response.headers_mut(), &found, version, client.worker.via);
    let rejected = errand.rejects(exchange, response.status());
    if !rejected && !client.pace.uploading() && whole::is_short(response.body()) && errand.is_repeatable() {
        let idle = exchange.backend.timeout.idle;
        answer.whole = whole::read(&mut connection, response.body_mut(), &client.pace, idle).await;
        if answer.whole.is_none() {
            return Ended::Failed(Failure::Body);
        }
    }
    answer.connection = Some(connection);
    Ended::Answered { rejected }
}

/// Why the request's body ended before its end.
fn gone(pace: &Pace) -> Refusal {
    if pace.overran() { Refusal::Body } else { Refusal::ClientGone }
}

/// Why a client's body is not waited for any longer.
fn slow(pace: &Pace) -> Refusal {
    if pace.is_slow() { Refusal::SlowBody } else { Refusal::SlowClient }
}

fn kind(error: &hyper::Error) -> Failure {
    let h2 = error.source().and_then(|source| source.downcast_ref::<h2::Error>());
    if h2.is_some_and(h2::Error::is_library)
        || error.is_parse()
        || error.is_parse_too_large()
        || error.is_parse_status()
    {
        Failure::Malformed
    } else {
        Failure::Closed
    }
}
