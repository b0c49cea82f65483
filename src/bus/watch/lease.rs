//! Leases: the store decides who gets one.

use std::time::{Duration, Instant, SystemTime};

use super::exchange::is_over;
use super::{Over, Watch};
use crate::bus::board::{Verdict, decide, ending};
use crate::bus::command::{BusError, LeaseCommand};
use crate::bus::held::Held;
use crate::bus::key::{self, Key, Place};
use crate::bus::parse::{self, Raw};
use crate::bus::store::{Found, Lost, Store};
use crate::model::{BackendId, LeaseMark, Note, ServiceName};

/// So often a question is put anew because somebody was faster.
const TRIES: usize = 4;

impl Watch {
    /// Answers the questions about leases that wait.
    pub(super) async fn answer_leases(&mut self, store: &Store) -> Result<(), Over> {
        while let Some(command) = self.desk.leases.pop_front() {
            let answer = self.lease(store, &command).await;
            let (answer, over) = match answer {
                Ok(answer) => (answer, Ok(())),
                Err(over) => (Err(BusError::Away), Err(over)),
            };
            // Who asked may have gone.
            let _ = command.reply.send(answer);
            over?;
        }
        Ok(())
    }

    /// The outer error is the connection's.
    async fn lease(&mut self, store: &Store, command: &LeaseCommand) -> Result<Result<LeaseMark, BusError>, Over> {
        let LeaseCommand { service, ask, .. } = command;
        let key = key::lease(service);
        if self.desk.board.keys().place(&key).is_none() {
            return Ok(Err(BusError::UnknownService(service.clone())));
        }
        for _ in 0..TRIES {
            let found = self.found(store, &key).await?;
            let stands = stands(service, &found);
            let verdict = match decide(ask, stands.as_ref(), SystemTime::now()) {
                Ok(verdict) => verdict,
                Err(refusal) => return Ok(Err(refusal)),
            };
            match self.settle(store, &key, found.raw, &verdict).await? {
                Some(true) => return Ok(Ok(self.leased(service, verdict))),
                Some(false) => {}
                None => break,
            }
        }
        Ok(Err(BusError::Away))
    }

    async fn found(&mut self, store: &Store, key: &Key) -> Result<Found, Over> {
        let found = self.desk.during(store.clone().read(vec![key.clone()])).await??;
        found.into_iter().next().ok_or(Over::Lost(Lost::Answer))
    }

    /// Makes the store hold what was decided; `false`: somebody was faster. `None`: the store will not.
    async fn settle(&mut self, store: &Store, key: &Key, before: Raw, verdict: &Verdict) -> Result<Option<bool>, Over> {
        let store = store.clone();
        let lasting = |lease: &LeaseMark| (Held::Lease(lease.clone()).text(), ending(lease, SystemTime::now()));
        let after: Option<(String, Duration)> = match verdict {
            Verdict::Stands(lease) => Some(lasting(lease)),
            Verdict::Ends(_) => None,
        };
        let answer = match (before, after) {
            (Raw::Bytes(before), after) if !before.is_empty() => {
                self.desk.during(store.swap(key.clone(), before, after)).await??
            }
            (_, Some((text, lifetime))) => self.desk.during(store.claim(key.clone(), text, Some(lifetime))).await??,
            (_, None) => Ok(true),
        };
        match answer {
            Ok(done) => Ok(Some(done)),
            Err(error) => {
                let key = String::from_utf8_lossy(key).into_owned();
                tracing::warn!(key, %error, "the alert store refused a lease");
                Ok(None)
            }
        }
    }

    fn leased(&mut self, service: &ServiceName, verdict: Verdict) -> LeaseMark {
        self.desk.board.leased(service, verdict, Instant::now(), SystemTime::now())
    }
}

/// The lease that stands by what was found.
fn stands(service: &ServiceName, found: &Found) -> Option<LeaseMark> {
    match parse::held(&Place::Lease(service.clone()), &found.raw) {
        Ok(Some(held)) if is_over(found, &held) => None,
        Ok(Some(Held::Lease(lease))) => Some(lease),
        Ok(_) => None,
        // Nothing is known but that the key is taken.
        Err(_) => {
            let note = Note { reason: Some("the key holds what cannot be read".into()), by: None };
            Some(LeaseMark { id: "".into(), backend: BackendId::new("unknown"), until: SystemTime::now(), note })
        }
    }
}
