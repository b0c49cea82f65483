//! How the rest of the process raises and clears alerts, and sets and removes marks.

use std::time::{Instant, SystemTime};

use tokio::sync::{mpsc, oneshot};

use super::board::Kept;
use crate::model::{
    Alert, AlertKeys, BackendId, DrainMark, EjectMark, LeaseMark, Marks, Owners, ServiceName, WeightMark,
};

/// Commands that may wait for the bus at one time.
const QUEUE: usize = 64;

/// The way to the bus. Cheap to clone.
#[derive(Clone)]
pub struct BusHandle {
    sender: mpsc::Sender<Asked>,
}

/// The bus's end of every [`BusHandle`].
pub struct Commands {
    pub(super) receiver: mpsc::Receiver<Asked>,
}

/// A service that is listened for, and the keys that hold its alerts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    pub service: ServiceName,
    pub keys: AlertKeys,
}

#[derive(Debug, thiserror::Error)]
pub enum BusError {
    #[error("the alert bus has stopped")]
    Stopped,
    #[error("no service `{0}`")]
    UnknownService(ServiceName),
    /// A lease has to be asked of the store itself.
    #[error("the store does not answer or refuses; only the store that all balancers share can grant a lease")]
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

/// A command, and when it was given.
pub(super) type Asked = (Command, Instant);

/// What is asked of the bus.
pub(super) enum Command {
    Raise(ServiceName, Alert, Reply<Owners>),
    Clear(ServiceName, Reply<Owners>),
    Mark(ServiceName, Mark, Reply<Marks>),
    Unmark(ServiceName, MarkName, Reply<Marks>),
    Lease(LeaseCommand),
    Rewatch(Vec<Watched>, Reply<()>),
    Keep(Reply<Kept>),
}

/// Where an answer goes. Who asked may have gone; the command holds all the same.
pub(super) type Reply<T> = oneshot::Sender<Result<T, BusError>>;

/// A word about the one lease of a service.
pub(super) struct LeaseCommand {
    pub(super) service: ServiceName,
    pub(super) ask: LeaseAsk,
    pub(super) reply: Reply<LeaseMark>,
}

pub(super) enum LeaseAsk {
    Grant(LeaseMark),
    Renew { id: String, until: SystemTime },
    Release { id: String },
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
        self.ask(|reply| Command::Raise(service.clone(), alert, reply)).await
    }

    /// Removes `<key>` and `<key>:api`, here at once and in the store as [`Self::raise`] writes. Returns the owners
    /// that remain. When the store is away, only the alerts that stood here are removed later: one that another client
    /// raised meanwhile stays.
    ///
    /// Dropping the future after its first poll may leave the alert cleared.
    pub async fn clear(&self, service: &ServiceName) -> Result<Owners, BusError> {
        self.ask(|reply| Command::Clear(service.clone(), reply)).await
    }

    /// Sets a mark: in force here at once, written to the store at once or when it is back. Returns all marks of the
    /// service that are now in force. That the service has such a backend is for the caller to see to.
    ///
    /// Dropping the future after its first poll may leave the mark set.
    pub async fn mark(&self, service: &ServiceName, mark: Mark) -> Result<Marks, BusError> {
        self.ask(|reply| Command::Mark(service.clone(), mark, reply)).await
    }

    /// Removes a mark, as [`Self::mark`] sets one. When the store is away, only a mark that stood here is removed
    /// later.
    pub async fn unmark(&self, service: &ServiceName, name: MarkName) -> Result<Marks, BusError> {
        self.ask(|reply| Command::Unmark(service.clone(), name, reply)).await
    }

    /// Asks the store for the one lease of a service: granted only while none is out, and for 24 h at most. Answers
    /// within about 1 s, or that the store is away.
    ///
    /// A lease that the store granted just when its connection broke is answered with [`BusError::Away`] and ends by
    /// its own time. So does one whose future was dropped.
    pub async fn lease(&self, service: &ServiceName, lease: LeaseMark) -> Result<LeaseMark, BusError> {
        self.ask_lease(service, LeaseAsk::Grant(lease)).await
    }

    /// Moves the end of the lease that is named `id`. Nobody can get between.
    pub async fn renew(&self, service: &ServiceName, id: &str, until: SystemTime) -> Result<LeaseMark, BusError> {
        self.ask_lease(service, LeaseAsk::Renew { id: id.to_owned(), until }).await
    }

    /// Ends the lease that is named `id`. Nobody can get between.
    pub async fn release(&self, service: &ServiceName, id: &str) -> Result<(), BusError> {
        self.ask_lease(service, LeaseAsk::Release { id: id.to_owned() }).await.map(|_| ())
    }

    /// Listens for these services from here on. What is unchanged keeps its state and is not told again; a new service
    /// is told once everything of it was read; one that is gone is forgotten. The connection to the store stays.
    pub async fn rewatch(&self, watched: Vec<Watched>) -> Result<(), BusError> {
        self.ask(|reply| Command::Rewatch(watched, reply)).await
    }

    /// What only this process knows, for the one that takes its place.
    pub async fn kept(&self) -> Result<Kept, BusError> {
        self.ask(Command::Keep).await
    }

    async fn ask_lease(&self, service: &ServiceName, ask: LeaseAsk) -> Result<LeaseMark, BusError> {
        self.ask(|reply| Command::Lease(LeaseCommand { service: service.clone(), ask, reply })).await
    }

    async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, BusError> {
        let (reply, answer) = oneshot::channel();
        self.sender.send((command(reply), Instant::now())).await.map_err(|_| BusError::Stopped)?;
        answer.await.map_err(|_| BusError::Stopped)?
    }
}
