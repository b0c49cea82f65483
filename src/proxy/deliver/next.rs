//! Where a request goes that failed, and its right to go there.

use std::sync::Arc;
use std::time::Duration;

use super::super::choice::Pinned;
use super::super::exchange::Exchange;
use super::super::worker::Worker;
use super::errand::Errand;
use super::retry::{self, Case, Verdict};
use super::{again, is_poison};
use crate::metrics::RetryRefused;
use crate::table::{Backend, BudgetSeat, RoutingTable};

/// How long a request that got no answer waits for a place in the budget. When a backend dies, all that it worked on
/// fails in one moment, which is more than the budget lets run at a time, and each place is free again as soon as a
/// head has come.
const PATIENCE: Duration = Duration::from_secs(1);

/// Another backend for a request that failed.
pub(super) struct Next {
    backend: Arc<Backend>,
    /// The retry needs a place in the budget.
    paid: bool,
}

/// A backend, and the place in the budget if one was needed.
pub(super) type Allowed = (Arc<Backend>, Option<BudgetSeat>);

/// Another backend for a request that failed at the one of `exchange`, if the rule allows it. `answered`: by what it
/// answered.
pub(super) fn another(worker: &Worker, exchange: &Exchange, errand: &Errand, answered: bool) -> Option<Next> {
    if !errand.is_at_hand() {
        return None;
    }
    let backend = &exchange.backend;
    let case = Case {
        track: backend.track,
        retried: errand.retried,
        written: errand.is_written(),
        repeatable: errand.is_repeatable(),
        answered,
        pinned: errand.pinned == Pinned::Backend,
        poison: errand.is_written() && is_poison(worker, exchange, errand),
    };
    let paid = match retry::verdict(case) {
        Verdict::No => return None,
        Verdict::Poison => {
            backend.metrics.retry_refused(RetryRefused::Poison).inc();
            return None;
        }
        Verdict::Yes { budget } => budget,
    };
    let other = worker.table.read(|table| again::elsewhere(errand.service(table)?, backend))?;
    Some(Next { backend: other, paid })
}

impl Next {
    /// The right to run now. `None`: the budget has no place.
    pub(super) fn at_once(self, worker: &Worker, exchange: &Exchange, errand: &Errand) -> Option<Allowed> {
        let seat = if self.paid { Some(seat(worker, exchange, errand).or_else(|| refused(exchange))?) } else { None };
        Some((self.backend, seat))
    }

    /// The right to run, after a wait if need be. `None`: the budget had no place for [`PATIENCE`]. Cancel safe.
    pub(super) async fn in_time(self, worker: &Worker, exchange: &Exchange, errand: &Errand) -> Option<Allowed> {
        let retry = &exchange.backend.terms.retry;
        let closed = retry.budget_percent == 0 && retry.budget_min == 0;
        if !self.paid || closed {
            return self.at_once(worker, exchange, errand);
        }
        let free = match seat(worker, exchange, errand) {
            Some(seat) => Some(seat),
            // Boxed: it is rare to wait.
            None => Box::pin(tokio::time::timeout(PATIENCE, freed(worker, exchange, errand))).await.ok(),
        };
        Some((self.backend, Some(free.or_else(|| refused(exchange))?)))
    }
}

async fn freed(worker: &Worker, exchange: &Exchange, errand: &Errand) -> BudgetSeat {
    loop {
        let freed = exchange.backend.terms.budget.freed();
        if let Some(seat) = seat(worker, exchange, errand) {
            return seat;
        }
        freed.await;
    }
}

fn seat(worker: &Worker, exchange: &Exchange, errand: &Errand) -> Option<BudgetSeat> {
    let in_flight = |member: &Arc<Backend>| u64::try_from(member.metrics.in_flight.get()).unwrap_or(0);
    let active = |table: &RoutingTable| {
        errand.service(table).map_or(0, |service| service.stable.members().iter().map(in_flight).sum())
    };
    let terms = &exchange.backend.terms;
    terms.budget.take(worker.table.read(active), terms.retry.budget_percent, terms.retry.budget_min)
}

fn refused<T>(exchange: &Exchange) -> Option<T> {
    exchange.backend.metrics.retry_refused(RetryRefused::Budget).inc();
    None
}
