//! What only this process knows, for the one that takes its place.

use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use super::overlay::Change;
use super::{Board, MAX_KEYS};
use crate::bus::held::Held;
use crate::bus::key::{self, Key, Place, is_under};
use crate::bus::parse::{self, Raw};

/// Alerts, marks and leases that no store holds. Text that can be written down and read by another version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Kept {
    entries: Vec<Entry>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Entry {
    key: String,
    /// What is to stand under the key, as it is written in the store; absent: it is to be removed.
    value: Option<String>,
    /// What stood there, where it is to be removed.
    known: Vec<String>,
    /// When it ends by itself.
    ends: Option<SystemTime>,
}

impl Board {
    /// What no store holds: the writes on their way, and everything where this is the store.
    pub(in crate::bus) fn kept(&self, is_store: bool, now: Instant, wall: SystemTime) -> Kept {
        let stored = self.stored.iter().filter(|_| is_store).map(|(key, stored)| Entry {
            key: text(key),
            value: Some(stored.held.text()),
            known: Vec::new(),
            ends: stored.expires.map(|at| wall + at.saturating_duration_since(now)),
        });
        let pending = self.pending.iter().filter(|(key, _)| !self.is_own(key)).map(|(key, pending)| {
            match &pending.write.change {
                Change::Put { held, .. } => Entry { key: text(key), value: Some(held.text()), ..Entry::default() },
                Change::Remove { known } => {
                    Entry { key: text(key), known: known.iter().map(Held::text).collect(), ..Entry::default() }
                }
            }
        });
        Kept { entries: stored.chain(pending).collect() }
    }

    /// Takes up what a process before this one kept. Leases are left to the store where there is one.
    pub(in crate::bus) fn restore(&mut self, kept: Kept, is_store: bool, now: Instant, wall: SystemTime) {
        for entry in kept.entries.into_iter().take(2 * MAX_KEYS) {
            let key: Key = entry.key.into_bytes();
            let Some(place) = self.keys.place(&key) else { continue };
            let read = |text: String| parse::held(&place, &Raw::Bytes(text.into_bytes())).ok().flatten();
            let left = entry.ends.map(|ends| ends.duration_since(wall).unwrap_or_default());
            if left == Some(Duration::ZERO) {
                continue;
            }
            match (entry.value.map(read), is_store) {
                (None, true) => self.apply(key, None, None, now),
                (None, false) => {
                    let known = entry.known.into_iter().filter_map(read).collect();
                    self.overlay(key, Change::Remove { known }, now);
                }
                (Some(Some(held)), true) => {
                    self.apply(key, Some(held), left.and_then(|left| now.checked_add(left)), now)
                }
                (Some(Some(held)), false) if !matches!(place, Place::Lease(_)) => self.put(key, held, left, now),
                // Of a kind that is not known here, or the store's.
                (Some(_), _) => {}
            }
        }
    }

    /// Whether a key is an announcement of this balancer, or a challenge: its successor makes its own.
    fn is_own(&self, key: &[u8]) -> bool {
        is_under(key, key::CHALLENGES)
            || self.services.iter().any(|service| key == key::peer(&service.watched.service, &self.name))
    }
}

fn text(key: &[u8]) -> String {
    String::from_utf8_lossy(key).into_owned()
}
