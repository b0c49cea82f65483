//! How the rest of the process raises and clears alerts.

use std::time::Instant;

use tokio::sync::{mpsc, oneshot};

use crate::model::{Alert, Owners, ServiceName};

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

    async fn ask(&self, service: &ServiceName, action: Action) -> Result<Owners, BusError> {
        let (reply, answer) = oneshot::channel();
        let command = Command { service: service.clone(), action, seen: Instant::now(), reply };
        self.sender.send(command).await.map_err(|_| BusError::Stopped)?;
        answer.await.map_err(|_| BusError::Stopped)?
    }
}
