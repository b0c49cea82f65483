//! A request's way to an answer: an attempt at a backend, and one more at another where that is safe.
//!
//! - [`errand`] is what is delivered. [`replay`] keeps its body and [`spare`] its head, to be sent again.
//! - [`attempt`] is one try at one backend. [`enter`] minds the backend's limits, [`whole`] reads short answers to
//!   their end, [`waiting`] wakes who waits on a backend that left, [`trial`] puts a request to the test.
//! - [`retry`] is the rule for another try, [`next`] its right to run, [`again`] where it goes. [`poison`] knows what
//!   must not be sent again.

mod again;
mod attempt;
mod enter;
mod errand;
mod next;
mod poison;
mod replay;
mod retry;
mod spare;
mod trial;
mod waiting;
mod whole;

use std::time::Instant;

use futures_util::FutureExt as _;
use tokio::sync::Notify;

use super::exchange::Exchange;
use super::handler::Client;
use super::refusal::Refusal;
use super::worker::Worker;
use crate::metrics::RetryCause;
use attempt::Ended;
use poison::Poison;

pub(super) use attempt::Answer;
pub(super) use errand::Errand;
pub(super) use replay::Replay;
pub(super) use retry::is_pass;
pub(super) use trial::claim;
pub(super) use waiting::Waiting;
pub(super) use whole::Whole;

/// What all workers know together. Touched only by requests that failed or wait for a connection.
#[derive(Debug, Default)]
pub(super) struct Shared {
    poison: Poison,
    /// Somebody waits for a connection to a backend that is given no more: idle ones are to give way.
    pub(super) begging: Notify,
}

/// Brings `errand` to the backend of `exchange`, or to another, until one has filled in `answer`. Every attempt that
/// failed is counted for its backend; the answer is counted by [`Exchange`], which knows when it has ended.
///
/// Cancel safe: dropped, it closes the connection that it uses.
///
/// # Errors
/// What the client gets instead of an answer.
pub(super) async fn deliver(
    client: &Client,
    exchange: &mut Exchange,
    errand: &mut Errand,
    answer: &mut Answer,
) -> Result<(), Refusal> {
    let worker = &client.worker;
    let mut full = false;
    loop {
        if exchange.backend.circuit.is_some() {
            // Boxed: limits are rare.
            Box::pin(enter::enter(worker, exchange, errand)).await?;
        }
        let ended = attempt::attempt(client, exchange, errand, answer).await;
        let (next, cause) = match ended {
            Ended::Answered { rejected } => {
                if worker.shared.poison.is_any() {
                    note_life(worker, exchange, errand);
                }
                let next = if rejected { next::another(worker, exchange, errand, true) } else { None };
                let Some(next) = next.and_then(|next| next.at_once(worker, exchange, errand)) else { return Ok(()) };
                dismiss(client, exchange, std::mem::take(answer));
                (next, RetryCause::Status)
            }
            Ended::Failed(failure) => {
                if errand.upgrade.is_some() && exchange.backend.upstream.h2 {
                    exchange.fail_upgrade(failure);
                } else {
                    exchange.fail(failure);
                }
                let next = next::another(worker, exchange, errand, false).ok_or(Refusal::Backend(failure))?;
                let next = next.in_time(worker, exchange, errand).await.ok_or(Refusal::Backend(failure))?;
                (next, RetryCause::Failed(failure))
            }
            Ended::Ejected => {
                let next = next::another(worker, exchange, errand, false).ok_or(Refusal::NoBackend)?;
                let next = next.in_time(worker, exchange, errand).await.ok_or(Refusal::NoBackend)?;
                (next, RetryCause::Ejected)
            }
            Ended::Left(other) => {
                exchange.reroute(other);
                continue;
            }
            Ended::Full => {
                exchange.backend.metrics.circuit_refused.inc();
                let other = worker.table.read(|table| {
                    let service = errand.service(table)?;
                    again::elsewhere(service, &exchange.backend).filter(|other| other.has_room())
                });
                // Once: two backends at their limits must not send a request to and fro.
                let other = other.filter(|_| !std::mem::replace(&mut full, true)).ok_or(Refusal::Full)?;
                exchange.reroute(other);
                continue;
            }
            Ended::ByClient(refusal) => return Err(refusal),
        };
        exchange.backend.metrics.retried(cause).inc();
        exchange.retry(next.0, next.1);
        errand.retried = true;
        client.pace.again();
    }
}

/// Whether a request that waits on a canary is better off elsewhere: the canary was taken out, and there is another.
fn has_to_move(worker: &Worker, exchange: &Exchange, errand: &Errand) -> bool {
    worker.table.read(|table| {
        let Some(service) = errand.service(table) else { return false };
        again::is_ejected(service, exchange)
            && errand.is_repeatable()
            // It would be refused elsewhere; where it is, it may yet be answered.
            && !is_poison(worker, exchange, errand)
            && again::elsewhere(service, &exchange.backend).is_some()
    })
}

fn is_poison(worker: &Worker, exchange: &Exchange, errand: &Errand) -> bool {
    let known = |(service, method, path)| worker.shared.poison.knows(service, method, path, Instant::now());
    errand.deed(&exchange.backend).is_some_and(known)
}

/// A backend ended the connection under the request, without a byte of an answer. The second one is one too many.
fn note_death(worker: &Worker, exchange: &Exchange, errand: &mut Errand) {
    if errand.killed_one
        && let Some((service, method, path)) = errand.deed(&exchange.backend)
    {
        tracing::debug!(%service, %method, path, "two backends died under this request: it is not sent again");
        worker.shared.poison.remember(service, method, path, Instant::now());
    }
    errand.killed_one = true;
}

/// A backend answered the request, and so it kills nobody.
fn note_life(worker: &Worker, exchange: &Exchange, errand: &Errand) {
    if let Some((service, method, path)) = errand.deed(&exchange.backend) {
        worker.shared.poison.forget(service, method, path, Instant::now());
    }
}

/// Judges and drops an answer that no client will see. Its connection is kept if all of the answer is here.
fn dismiss(client: &Client, exchange: &mut Exchange, answer: Answer) {
    let Answer { response: Some(mut response), connection: Some(mut connection), .. } = answer else { return };
    exchange.judge(response.status());
    if client.pace.uploading() || response.version() == http::Version::HTTP_10 {
        return;
    }
    let idle = exchange.backend.timeout.idle;
    let body = response.body_mut();
    let ended = http_body::Body::is_end_stream(body)
        || (whole::is_short(body)
            && whole::read(&mut connection, body, &client.pace, idle).now_or_never().flatten().is_some());
    if ended {
        client.worker.pool.put(&exchange.backend, connection, Instant::now());
    }
}
