//! What is read and written on a connection.

use std::collections::BTreeMap;
use std::time::{Instant, SystemTime};

use super::{Over, Watch};
use crate::bus::board::ending;
use crate::bus::held::Held;
use crate::bus::key::Key;
use crate::bus::parse;
use crate::bus::store::{Found, Store};

impl Watch {
    /// Reads keys and takes in what they hold.
    pub(super) async fn read(&mut self, store: &Store, keys: Vec<Key>, seen: Instant) -> Result<(), Over> {
        for found in self.desk.during(store.clone().read(keys)).await?? {
            let held = self.understand(&found);
            let expires = expires(&found, held.as_ref());
            self.desk.board.apply(found.key, held, expires, seen);
        }
        self.desk.board.restate_announcements(Instant::now());
        self.tell_challenges();
        Ok(())
    }

    /// Reads everything that is known, and sees that the signing key is there.
    pub(super) async fn read_known(&mut self, store: &Store, seen: Instant) -> Result<(), Over> {
        self.read(store, self.desk.board.known_keys(), seen).await?;
        self.agree_on_affinity_key(store).await
    }

    /// Sends the local commands that wait.
    pub(super) async fn write(&mut self, store: &Store) -> Result<(), Over> {
        for write in self.desk.board.unsent() {
            let result = self.desk.during(store.clone().write(write.clone())).await??;
            match result {
                Ok(()) => {
                    self.refused.taken(&write.key);
                    self.desk.board.settle(&write, Instant::now());
                }
                Err(error) => {
                    self.refused(&write.key, &error);
                    self.desk.board.refuse(&write);
                }
            }
        }
        Ok(())
    }

    /// Gives up removing what was said after somebody here removed what stood before.
    pub(super) async fn drop_outdated(&mut self, store: &Store) -> Result<(), Over> {
        self.desk.board.retry();
        let mut removals = BTreeMap::new();
        for write in self.desk.board.unsent() {
            if write.removes().is_some() {
                removals.insert(write.key.clone(), write);
            }
        }
        let keys = removals.keys().cloned().collect();
        for found in self.desk.during(store.clone().read(keys)).await?? {
            let Some(write) = removals.get(&found.key) else { continue };
            let held = self.understand(&found);
            let expires = expires(&found, held.as_ref());
            let outdated = held.as_ref().is_some_and(|held| !write.removes().unwrap_or_default().contains(held));
            let seen = Instant::now();
            self.desk.board.apply(found.key, held, expires, seen);
            if outdated {
                self.desk.board.forget(write, seen);
            }
        }
        Ok(())
    }

    /// What a key holds; nothing where nobody can read it.
    fn understand(&mut self, found: &Found) -> Option<Held> {
        let place = self.desk.board.keys().place(&found.key)?;
        let read = parse::held(&place, &found.raw);
        self.complaints.hear(&found.key, &found.raw, read.as_ref().err());
        read.ok().flatten().filter(|held| !is_over(found, held))
    }

    /// The store will not take a change of a key. Said once until it takes one.
    pub(super) fn refused(&mut self, key: &[u8], error: &dyn std::fmt::Display) {
        if self.refused.is_new(key) {
            let key = String::from_utf8_lossy(key).into_owned();
            tracing::warn!(key, %error, "the alert store refused a write; it is tried again");
        }
    }
}

/// When to look at a key again. Of a lease that was written without a time to live, its own word counts.
fn expires(found: &Found, held: Option<&Held>) -> Option<Instant> {
    match held {
        Some(Held::Lease(lease)) if found.expires.is_none() => {
            Instant::now().checked_add(ending(lease, SystemTime::now()))
        }
        _ => found.expires,
    }
}

/// Whether a lease that the store would keep for ever has ended by its own word.
pub(super) fn is_over(found: &Found, held: &Held) -> bool {
    matches!(held, Held::Lease(lease) if found.expires.is_none() && lease.until <= SystemTime::now())
}
