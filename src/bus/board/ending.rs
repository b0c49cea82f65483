//! What ends by its own time though the store is not there to say so.
//!
//! A lease says itself when it ends. What a peer has seen is renewed while the peer lives, and one that died must hold
//! nobody's canary. All else stays until the store says otherwise: it may be the store that is at fault.

use std::time::Instant;

use super::Board;
use crate::bus::held::Held;
use crate::bus::key::Key;

impl Board {
    /// When the next one ends.
    pub(in crate::bus) fn next_end(&self) -> Option<Instant> {
        self.ending().map(|(_, at)| at).min()
    }

    /// Ends those whose time is over, without asking the store.
    pub(in crate::bus) fn end_overdue(&mut self, now: Instant) {
        let due: Vec<Key> = self.ending().filter(|(_, at)| *at <= now).map(|(key, _)| key.clone()).collect();
        for key in due {
            self.apply(key, None, None, now);
        }
    }

    fn ending(&self) -> impl Iterator<Item = (&Key, Instant)> {
        let ends = |held: &Held| matches!(held, Held::Lease(_) | Held::Peer(_));
        let stored = self.stored.iter().filter(move |(_, stored)| ends(&stored.held));
        stored.filter_map(|(key, stored)| Some((key, stored.expires?)))
    }
}
