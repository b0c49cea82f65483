//! Who may have the one lease of a service.

use std::time::{Duration, Instant, SystemTime};

use super::Board;
use crate::bus::command::{BusError, LeaseAsk};
use crate::bus::held::Held;
use crate::bus::{key, parse};
use crate::model::{LeaseMark, ServiceName};

/// No lease is longer: one that is forgotten must end.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// What is to be done about the lease that stands.
pub(in crate::bus) enum Verdict {
    /// This one is to stand from here on.
    Stands(LeaseMark),
    /// This one, which stood, is to end.
    Ends(LeaseMark),
}

/// Decides what is asked by what stands. The one rule for both stores.
pub(in crate::bus) fn decide(ask: &LeaseAsk, stands: Option<&LeaseMark>, now: SystemTime) -> Result<Verdict, BusError> {
    let held_by = |id: &str| stands.filter(|lease| *lease.id == *id).cloned().ok_or(BusError::NoLease);
    match (ask, stands) {
        (LeaseAsk::Grant(_), Some(lease)) => Err(BusError::Leased(Box::new(lease.clone()))),
        (LeaseAsk::Grant(lease), None) => {
            let note = parse::noted(lease.note.clone());
            Ok(Verdict::Stands(LeaseMark { until: within(lease.until, now), note, ..lease.clone() }))
        }
        (LeaseAsk::Renew { id, until }, _) => {
            Ok(Verdict::Stands(LeaseMark { until: within(*until, now), ..held_by(id)? }))
        }
        (LeaseAsk::Release { id }, _) => Ok(Verdict::Ends(held_by(id)?)),
    }
}

/// How long a lease still lasts. At least a millisecond: the store knows no shorter life.
pub(in crate::bus) fn ending(lease: &LeaseMark, now: SystemTime) -> Duration {
    lease.until.duration_since(now).unwrap_or_default().max(Duration::from_millis(1))
}

fn within(until: SystemTime, now: SystemTime) -> SystemTime {
    until.clamp(now, now + LONGEST)
}

impl Board {
    /// Answers from what is known here: in memory, where nobody else is asked.
    pub(in crate::bus) fn lease(
        &mut self,
        service: &ServiceName,
        ask: &LeaseAsk,
        now: Instant,
        wall: SystemTime,
    ) -> Result<LeaseMark, BusError> {
        self.service(service)?;
        let key = key::lease(service);
        let stands = match self.stored.get(&key).map(|stored| &stored.held) {
            Some(Held::Lease(lease)) => Some(lease),
            _ => None,
        };
        let verdict = decide(ask, stands, wall)?;
        Ok(self.leased(service, verdict, now, wall))
    }

    /// Takes in what was decided, and returns the lease that it was about.
    pub(in crate::bus) fn leased(
        &mut self,
        service: &ServiceName,
        verdict: Verdict,
        now: Instant,
        wall: SystemTime,
    ) -> LeaseMark {
        let key = key::lease(service);
        match verdict {
            Verdict::Stands(lease) => {
                let expires = now.checked_add(ending(&lease, wall));
                self.apply(key, Some(Held::Lease(lease.clone())), expires, now);
                lease
            }
            Verdict::Ends(lease) => {
                self.apply(key, None, None, now);
                lease
            }
        }
    }
}
