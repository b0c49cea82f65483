//! Local commands that the store has not taken yet: in force here all the same.

use std::time::{Duration, Instant};

use super::Board;
use crate::bus::held::Held;
use crate::bus::key::Key;

/// A local command on one key that the store has not confirmed.
pub(super) struct Pending {
    pub(super) write: Write,
    /// Refused by the store; waits for [`Board::retry`].
    refused: bool,
}

/// One write that the store is to take.
#[derive(Clone)]
pub(in crate::bus) struct Write {
    pub(in crate::bus) key: Key,
    pub(in crate::bus) change: Change,
    serial: u64,
}

#[derive(Clone)]
pub(in crate::bus) enum Change {
    /// `lifetime`: how long the store keeps it; `None`: until it is removed.
    Put { held: Held, lifetime: Option<Duration> },
    /// What was known to stand there, so that a later word of somebody else is not removed with it.
    Remove { known: Vec<Held> },
}

impl Write {
    /// What was known to stand under a key that is to be removed.
    pub(in crate::bus) fn removes(&self) -> Option<&[Held]> {
        match &self.change {
            Change::Remove { known } => Some(known),
            Change::Put { .. } => None,
        }
    }
}

impl Board {
    /// The writes that the store has not refused yet.
    pub(in crate::bus) fn unsent(&self) -> Vec<Write> {
        self.pending.values().filter(|pending| !pending.refused).map(|pending| pending.write.clone()).collect()
    }

    pub(in crate::bus) fn has_unsent(&self) -> bool {
        self.pending.values().any(|pending| !pending.refused)
    }

    /// The store took the write.
    pub(in crate::bus) fn settle(&mut self, write: &Write, now: Instant) {
        if self.forget(write, now) {
            let (held, lifetime) = match &write.change {
                Change::Put { held, lifetime } => (Some(held.clone()), *lifetime),
                Change::Remove { .. } => (None, None),
            };
            let expires = lifetime.and_then(|lifetime| now.checked_add(lifetime));
            self.apply(write.key.clone(), held, expires, now);
        }
    }

    /// Gives a write up. `false`: a later command has replaced it.
    pub(in crate::bus) fn forget(&mut self, write: &Write, seen: Instant) -> bool {
        let current = self.pending.get(&write.key).is_some_and(|pending| pending.write.serial == write.serial);
        if current {
            self.pending.remove(&write.key);
            self.touch(&write.key, seen);
        }
        current
    }

    /// The store refused the write: it stays in force here until [`Self::retry`].
    pub(in crate::bus) fn refuse(&mut self, write: &Write) {
        if let Some(pending) = self.pending.get_mut(&write.key)
            && pending.write.serial == write.serial
        {
            pending.refused = true;
        }
    }

    /// Offers all refused writes again.
    pub(in crate::bus) fn retry(&mut self) {
        self.pending.values_mut().for_each(|pending| pending.refused = false);
    }

    /// Puts a thing in force, and on its way.
    pub(super) fn put(&mut self, key: Key, held: Held, lifetime: Option<Duration>, seen: Instant) {
        self.overlay(key, Change::Put { held, lifetime }, seen);
    }

    /// Removes what stands under a key, here at once.
    pub(super) fn remove(&mut self, key: Key, seen: Instant) {
        let known = self.known_at(&key);
        self.overlay(key, Change::Remove { known }, seen);
    }

    pub(super) fn overlay(&mut self, key: Key, change: Change, seen: Instant) {
        self.serial += 1;
        self.touch(&key, seen);
        let write = Write { key: key.clone(), change, serial: self.serial };
        self.pending.insert(key, Pending { write, refused: false });
    }

    /// What may be in the store under a key as far as is known here.
    fn known_at(&self, key: &Key) -> Vec<Held> {
        let mut known: Vec<Held> = self.stored.get(key).map(|stored| stored.held.clone()).into_iter().collect();
        match self.pending.get(key).map(|pending| &pending.write.change) {
            Some(Change::Put { held, .. }) => known.push(held.clone()),
            Some(Change::Remove { known: earlier }) => known.extend(earlier.iter().take(2).cloned()),
            None => {}
        }
        known.dedup();
        known
    }
}
