//! What stands where: what the store holds, overlaid by local commands that the store has not taken yet. Pure.
//!
//! One mechanism for alerts and marks: each key holds one thing, whoever it concerns is told of all that stands then.
//!
//! - `news`: who is to be told. `overlay`: local commands on their way. `command`: what they do. `lease`: who may.
//! - `announce`, `challenge`: what this balancer tells the others. `ending`: what ends by itself. `keep`: what a successor has to
//!   know.

mod announce;
mod challenge;
mod command;
mod ending;
mod keep;
mod lease;
mod news;
mod overlay;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Instant;

use news::Service;
use overlay::Pending;

use super::command::Watched;
use super::held::Held;
use super::key::{self, Key, Keys, Place, Shared, is_under};
use crate::model::{Alert, CompatKey, PeerMark, Secret, ServiceName};

pub use keep::Kept;
pub(super) use lease::{Verdict, decide, ending};
pub(super) use overlay::{Change, Write};

/// More alerts than this are taken up only while they make a difference.
pub(super) const MAX_KEYS: usize = 4096;
/// More drains, or balancers that eject, are not taken up for one service.
const MAX_MARKS: usize = 1024;

/// All alerts and marks of all services.
pub(super) struct Board {
    services: Vec<Service>,
    keys: Arc<Keys>,
    /// This balancer's name among those that announce.
    name: String,
    shared: Shared,
    stored: BTreeMap<Key, Stored>,
    /// How many of `stored` are alerts.
    alerts: usize,
    pending: BTreeMap<Key, Pending>,
    announced: BTreeMap<ServiceName, PeerMark>,
    compat: BTreeMap<CompatKey, Alert>,
    compat_read: BTreeSet<CompatKey>,
    serial: u64,
    /// Counts the sets of services.
    generation: u64,
}

struct Stored {
    held: Held,
    /// When the key's time runs out.
    expires: Option<Instant>,
}

impl Board {
    pub(super) fn new(watched: Vec<Watched>, name: String, shared: Shared) -> Self {
        Self {
            keys: Arc::new(Keys::new(&watched, shared)),
            services: watched.into_iter().map(|watched| Service::new(watched, 0)).collect(),
            name,
            shared,
            stored: BTreeMap::new(),
            alerts: 0,
            pending: BTreeMap::new(),
            announced: BTreeMap::new(),
            compat: BTreeMap::new(),
            compat_read: BTreeSet::new(),
            serial: 0,
            generation: 0,
        }
    }

    /// Looks at other services from here on. What is unchanged keeps its state and is not told again; what is new is
    /// told once it was read; what is gone is forgotten.
    pub(super) fn rewatch(&mut self, watched: Vec<Watched>, seen: Instant) {
        self.generation += 1;
        self.keys = Arc::new(Keys::new(&watched, self.shared));
        let mut before = std::mem::take(&mut self.services);
        for watched in watched {
            let found = before.iter().position(|service| service.watched.service == watched.service);
            let service = match found {
                Some(at) => before.swap_remove(at).rewatched(watched, self.generation, seen),
                None => Service::new(watched, self.generation),
            };
            self.services.push(service);
        }
        let keys = self.keys.clone();
        // A key that changed its meaning is read anew.
        self.stored.retain(|key, stored| keys.place(key).is_some_and(|place| stored.held.belongs(&place)));
        self.alerts = self.stored.values().filter(|stored| matches!(stored.held, Held::Alert(_))).count();
        self.pending.retain(|key, _| keys.place(key).is_some());
        let old = self.compat_keys();
        self.compat.retain(|key, _| old.contains(key));
        self.compat_read.retain(|key| old.contains(key));
    }

    /// Which set of services this is: what was asked for one may not answer for the next.
    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// The keys that are of interest.
    pub(super) fn keys(&self) -> Arc<Keys> {
        self.keys.clone()
    }

    /// Every key that is to be read to know that nothing changed.
    pub(super) fn known_keys(&self) -> Vec<Key> {
        let keys: BTreeSet<Key> = self.stored.keys().cloned().chain(self.keys.fixed()).collect();
        keys.into_iter().collect()
    }

    /// The old keys of all services.
    pub(super) fn compat_keys(&self) -> Vec<CompatKey> {
        let keys: BTreeSet<&CompatKey> =
            self.services.iter().flat_map(|service| &service.watched.keys.compat).collect();
        keys.into_iter().cloned().collect()
    }

    /// Takes in what the store holds under a key.
    pub(super) fn apply(&mut self, key: Key, held: Option<Held>, expires: Option<Instant>, seen: Instant) {
        let Some(place) = self.keys.place(&key) else { return };
        let before = self.stored.get(&key).map(|stored| &stored.held);
        if before == held.as_ref() {
            if let Some(stored) = self.stored.get_mut(&key) {
                stored.expires = expires;
            }
            return;
        }
        if before.is_none() && !self.has_room(&key, &place) {
            return;
        }
        self.touch(&key, seen);
        let replaced = match held {
            Some(held) => {
                self.alerts += usize::from(matches!(held, Held::Alert(_)));
                self.stored.insert(key, Stored { held, expires })
            }
            None => self.stored.remove(&key),
        };
        self.alerts -= usize::from(replaced.is_some_and(|stored| matches!(stored.held, Held::Alert(_))));
    }

    /// Takes in what stands in old keys, of which these were read.
    pub(super) fn apply_compat(&mut self, read: Vec<CompatKey>, standing: BTreeMap<CompatKey, Alert>, seen: Instant) {
        self.compat_read = read.into_iter().collect();
        self.compat = standing;
        self.services.iter_mut().for_each(|service| service.alerts.touch(seen));
    }

    /// Every key of the services of a generation has been read at least once.
    pub(super) fn store_was_read(&mut self, generation: u64, seen: Instant) {
        for service in &mut self.services {
            service.alerts.was_read(generation, seen);
            service.marks.was_read(generation, seen);
        }
    }

    /// When the next key runs out.
    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.stored.values().filter_map(|stored| stored.expires).min()
    }

    /// The keys that ran out.
    pub(super) fn expired(&self, now: Instant) -> Vec<Key> {
        let due = |stored: &Stored| stored.expires.is_some_and(|at| at <= now);
        self.stored.iter().filter(|(_, stored)| due(stored)).map(|(key, _)| key.clone()).collect()
    }

    /// The shared signing key, as the store holds it.
    pub(super) fn affinity_key(&self) -> Option<&Secret> {
        match &self.stored.get(key::AFFINITY)?.held {
            Held::AffinityKey(secret) => Some(secret),
            _ => None,
        }
    }

    /// Puts a signing key in the place of whatever stands there.
    pub(super) fn put_affinity_key(&mut self, key: Secret, seen: Instant) {
        self.put(key::AFFINITY.to_vec(), Held::AffinityKey(key), None, seen);
    }

    /// Whether the shared signing key is asked for.
    pub(super) fn wants_affinity_key(&self) -> bool {
        self.shared.affinity
    }

    /// Whether one more key is taken up. A flood of one kind hides nothing of another.
    fn has_room(&self, key: &[u8], place: &Place) -> bool {
        let room = |root: Key| under(&self.stored, &root).take(MAX_MARKS).count() < MAX_MARKS;
        match place {
            Place::Alert => self.alerts < MAX_KEYS || self.matters(key),
            Place::Drain(service) => room(key::drains(service)),
            Place::Peer(service) => room(key::ejection(service)),
            Place::Challenge(_) => room(key::CHALLENGES.to_vec()),
            Place::Weights(_) | Place::Ejection(_) | Place::Lease(_) | Place::AffinityKey => true,
        }
    }

    /// Whether one more alert would change whether some service is alerted.
    fn matters(&self, key: &[u8]) -> bool {
        let alerted = |service: &Service| under(&self.stored, service.root()).next().is_some();
        self.services.iter().any(|service| {
            key == service.root() || key == service.api_key() || (service.concerns(key) && !alerted(service))
        })
    }

    /// Whoever a key concerns may have to be told.
    fn touch(&mut self, key: &[u8], seen: Instant) {
        let service = match self.keys.place(key) {
            None | Some(Place::AffinityKey | Place::Challenge(_)) => return,
            Some(Place::Alert) => {
                let concerned = self.services.iter_mut().filter(|service| service.concerns(key));
                return concerned.for_each(|service| service.alerts.touch(seen));
            }
            Some(
                Place::Drain(service)
                | Place::Weights(service)
                | Place::Ejection(service)
                | Place::Peer(service)
                | Place::Lease(service),
            ) => service,
        };
        let concerned = self.services.iter_mut().find(|candidate| candidate.watched.service == service);
        if let Some(service) = concerned {
            service.marks.touch(seen);
        }
    }
}

/// The entries of a map whose key is `root` or `root:<owner>`.
fn under<'a, T>(map: &'a BTreeMap<Key, T>, root: &'a [u8]) -> impl Iterator<Item = (&'a Key, &'a T)> {
    map.range::<[u8], _>((Bound::Included(root), Bound::Unbounded))
        .take_while(move |(key, _)| key.starts_with(root))
        .filter(move |(key, _)| is_under(key, root))
}

#[cfg(test)]
mod tests;
