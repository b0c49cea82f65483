//! A place at a backend that has limits.

use super::super::choice::Pinned;
use super::super::exchange::Exchange;
use super::super::refusal::Refusal;
use super::super::worker::Worker;
use super::errand::Errand;
use super::{again, waiting};
use crate::model::Track;

/// Gets the request of `exchange` a place: at its backend; or at another one of stable that has room at once; or at its
/// backend when its turn in the queue comes; or, from the canary, on stable. One that waits goes elsewhere when the
/// backend leaves the rotation. Counts nothing for or against a backend.
///
/// Cancel safe: dropped, it leaves the queue.
///
/// # Errors
/// [`Refusal::Full`]: none in time.
pub(super) async fn enter(worker: &Worker, exchange: &mut Exchange, errand: &mut Errand) -> Result<(), Refusal> {
    let mut looked_around = errand.retried || errand.pinned == Pinned::Backend;
    let mut left_canary = false;
    loop {
        let backend = exchange.backend.clone();
        let Some(circuit) = &backend.circuit else { return Ok(()) };
        if let Some(place) = circuit.enter() {
            exchange.enter(place);
            return Ok(());
        }
        if backend.track == Track::Stable
            && !std::mem::replace(&mut looked_around, true)
            && let Some(other) = worker.table.read(|table| again::with_room(errand.service(table)?, &backend))
        {
            exchange.reroute(other);
            continue;
        }
        // A trial does not wait: another request may be the trial.
        if !exchange.on_trial() {
            let place = tokio::select! {
                biased;
                place = circuit.queue(&backend.metrics.queue) => place,
                other = waiting::left(worker, exchange, errand) => {
                    exchange.reroute(other);
                    continue;
                }
            };
            if let Some(place) = place {
                exchange.enter(place);
                return Ok(());
            }
        }
        backend.metrics.circuit_refused.inc();
        if backend.track == Track::Stable || std::mem::replace(&mut left_canary, true) {
            return Err(Refusal::Full);
        }
        let other = worker.table.read(|table| again::elsewhere(errand.service(table)?, &backend));
        exchange.reroute(other.ok_or(Refusal::Full)?);
    }
}
