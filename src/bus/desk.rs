//! Answers commands and gives out readings while something slower is awaited.

use std::collections::{BTreeMap, VecDeque};
use std::future::{Future, pending};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::board::Board;
use super::command::{Asked, BusError, Command, Commands, LeaseCommand, Watched};
use super::key::Keys;
use crate::model::{Alert, AlertReading, CompatKey, MarkReading, PeerMark, ServiceName};

/// Questions about leases that may wait for the store.
const LEASES: usize = 64;

/// The one owner of the [`Board`]. Everything that may take time runs inside [`Desk::during`], so that a command is
/// answered at once even when the store does not.
pub(super) struct Desk {
    pub(super) board: Board,
    /// Who answers for leases.
    pub(super) granter: Granter,
    /// Questions about leases that wait for the store.
    pub(super) leases: VecDeque<LeaseCommand>,
    ends: Ends,
    /// Services came up that have not been read.
    unread: bool,
}

/// Who answers for leases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Granter {
    /// This process is the store.
    Here,
    /// The store, which answers.
    Store,
    /// The store, which is away.
    Nobody,
}

/// The desk's ends of all channels.
pub(super) struct Ends {
    pub(super) commands: Commands,
    pub(super) readings: mpsc::Sender<AlertReading>,
    pub(super) marks: mpsc::Sender<MarkReading>,
    pub(super) compat: mpsc::Receiver<CompatReading>,
    pub(super) announcements: watch::Receiver<BTreeMap<ServiceName, PeerMark>>,
    /// Shows the keys that are of interest.
    pub(super) keys: watch::Sender<Arc<Keys>>,
    /// Shows the old keys that are of interest.
    pub(super) old_keys: watch::Sender<Vec<CompatKey>>,
    pub(super) shutdown: CancellationToken,
}

/// What stands in old keys.
pub(super) struct CompatReading {
    /// The keys that were read.
    pub(super) keys: Vec<CompatKey>,
    pub(super) standing: BTreeMap<CompatKey, Alert>,
    pub(super) seen: Instant,
}

/// The process stops, or nobody takes readings any more.
#[derive(Debug)]
pub(super) struct Stopped;

impl Desk {
    pub(super) fn new(board: Board, granter: Granter, ends: Ends) -> Self {
        Self { board, granter, leases: VecDeque::new(), ends, unread: false }
    }

    /// The keys that are of interest, now and later.
    pub(super) fn keys(&self) -> watch::Receiver<Arc<Keys>> {
        self.ends.keys.subscribe()
    }

    /// Awaits `work` and keeps the desk open meanwhile.
    pub(super) async fn during<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Stopped> {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return Ok(done),
                step = self.step() => step?,
            }
        }
    }

    /// As [`Self::during`], but drops `work` and returns `None` as soon as something waits for the store.
    pub(super) async fn until_due<T>(&mut self, work: impl Future<Output = T>) -> Result<Option<T>, Stopped> {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return Ok(Some(done)),
                step = self.step() => step?,
            }
            if self.board.has_unsent() || !self.leases.is_empty() || self.unread {
                return Ok(None);
            }
        }
    }

    /// Whether services came up since the last call.
    pub(super) fn take_unread(&mut self) -> bool {
        std::mem::take(&mut self.unread)
    }

    /// The store is away: it cannot be asked for a lease.
    pub(super) fn store_is_away(&mut self) {
        self.granter = Granter::Nobody;
        for LeaseCommand { reply, .. } in self.leases.drain(..) {
            let _ = reply.send(Err(BusError::Away));
        }
    }

    /// Waits for one thing and deals with it. Cancel safe: nothing is taken from a channel without being dealt with.
    async fn step(&mut self) -> Result<(), Stopped> {
        // While the store answers, it says what has ended.
        let end = self.board.next_end().filter(|_| self.granter != Granter::Store);
        let asked = tokio::select! {
            biased;
            () = self.ends.shutdown.cancelled() => return Err(Stopped),
            // A canary is not to be admitted on the word that no alert stands while an operator's word is still on its
            // way.
            permit = self.ends.marks.reserve(), if self.board.has_marks() => {
                let permit = permit.map_err(|_| Stopped)?;
                if let Some(reading) = self.board.take_marks() {
                    permit.send(reading);
                }
                None
            }
            permit = self.ends.readings.reserve(), if self.board.has_news() => {
                let permit = permit.map_err(|_| Stopped)?;
                if let Some(reading) = self.board.take_reading() {
                    permit.send(reading);
                }
                None
            }
            Some(asked) = self.ends.commands.receiver.recv() => Some(asked),
            Some(CompatReading { keys, standing, seen }) = self.ends.compat.recv() => {
                self.board.apply_compat(keys, standing, seen);
                None
            }
            Ok(()) = self.ends.announcements.changed(), if self.granter != Granter::Here => {
                let announced = self.ends.announcements.borrow_and_update().clone();
                self.board.announce(announced, Instant::now());
                None
            }
            () = at(end) => {
                self.board.end_overdue(Instant::now());
                None
            }
        };
        if let Some(asked) = asked {
            self.answer(asked);
        }
        Ok(())
    }

    /// Answers at once, but for leases that are the store's to give.
    fn answer(&mut self, (command, seen): Asked) {
        match command {
            Command::Raise(service, alert, reply) => _ = reply.send(self.board.raise(&service, &alert, seen)),
            Command::Clear(service, reply) => _ = reply.send(self.board.clear(&service, seen)),
            Command::Mark(service, mark, reply) => _ = reply.send(self.board.mark(&service, mark, seen)),
            Command::Unmark(service, name, reply) => _ = reply.send(self.board.unmark(&service, &name, seen)),
            Command::Lease(command) => self.lease(command),
            Command::Rewatch(watched, reply) => {
                self.rewatch(watched);
                _ = reply.send(Ok(()));
            }
            Command::Keep(reply) => {
                let kept = self.board.kept(self.granter == Granter::Here, Instant::now(), SystemTime::now());
                _ = reply.send(Ok(kept));
            }
        }
    }

    fn lease(&mut self, command: LeaseCommand) {
        match self.granter {
            Granter::Store if self.leases.len() < LEASES => self.leases.push_back(command),
            Granter::Here => {
                let LeaseCommand { service, ask, reply } = command;
                _ = reply.send(self.board.lease(&service, &ask, Instant::now(), SystemTime::now()));
            }
            Granter::Store | Granter::Nobody => _ = command.reply.send(Err(BusError::Away)),
        }
    }

    fn rewatch(&mut self, mut watched: Vec<Watched>) {
        let now = Instant::now();
        if self.granter == Granter::Here {
            forget_old_keys(&mut watched);
        }
        self.board.rewatch(watched, now);
        if self.granter == Granter::Here {
            self.board.store_was_read(self.board.generation(), now);
        }
        self.ends.keys.send_replace(self.board.keys());
        self.ends.old_keys.send_replace(self.board.compat_keys());
        self.unread = true;
    }
}

/// Old keys do not exist where this process is the store.
pub(super) fn forget_old_keys(watched: &mut [Watched]) {
    watched.iter_mut().for_each(|watched| watched.keys.compat.clear());
}

/// Waits until a moment that may never come.
pub(super) async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => pending().await,
    }
}
