//! What local commands do.

use std::time::Instant;

use super::{Board, Service};
use crate::bus::command::{BusError, Mark, MarkName};
use crate::bus::held::Held;
use crate::bus::{key, parse};
use crate::model::{Alert, DrainMark, EjectMark, Marks, Owners, ServiceName, WeightMark};

impl Board {
    /// Raises the alert of the API and returns all that stands then.
    pub(in crate::bus) fn raise(
        &mut self,
        service: &ServiceName,
        alert: &Alert,
        seen: Instant,
    ) -> Result<Owners, BusError> {
        let key = self.service(service)?.api_key();
        let alert = parse::bounded(&alert.reason, alert.by.as_deref());
        self.put(key, Held::Alert(alert), None, seen);
        Ok(self.owners(self.service(service)?))
    }

    /// Removes the plain alert and that of the API, and returns all that stands then.
    pub(in crate::bus) fn clear(&mut self, service: &ServiceName, seen: Instant) -> Result<Owners, BusError> {
        let found = self.service(service)?;
        for key in [found.root().to_vec(), found.api_key()] {
            self.remove(key, seen);
        }
        Ok(self.owners(self.service(service)?))
    }

    /// Sets a mark and returns all that stand then.
    pub(in crate::bus) fn mark(&mut self, service: &ServiceName, mark: Mark, seen: Instant) -> Result<Marks, BusError> {
        self.service(service)?;
        let (name, held) = match mark {
            Mark::Drain(backend, DrainMark { keep_sessions, note }) => {
                let held = Held::Drain(DrainMark { keep_sessions, note: parse::noted(note) });
                (MarkName::Drain(backend), held)
            }
            Mark::Weights(mark) => {
                let held = Held::Weights(WeightMark { note: parse::noted(mark.note), ..mark });
                (MarkName::Weights, held)
            }
            Mark::Ejection(EjectMark { note }) => {
                let held = Held::Ejection(EjectMark { note: parse::noted(note) });
                (MarkName::Ejection, held)
            }
        };
        self.put(key::mark(service, &name), held, None, seen);
        Ok(self.marks(self.service(service)?))
    }

    /// Removes a mark and returns all that stand then.
    pub(in crate::bus) fn unmark(
        &mut self,
        service: &ServiceName,
        name: &MarkName,
        seen: Instant,
    ) -> Result<Marks, BusError> {
        self.service(service)?;
        self.remove(key::mark(service, name), seen);
        Ok(self.marks(self.service(service)?))
    }

    pub(super) fn service(&self, name: &ServiceName) -> Result<&Service, BusError> {
        let found = self.services.iter().find(|service| service.watched.service == *name);
        found.ok_or_else(|| BusError::UnknownService(name.clone()))
    }
}
