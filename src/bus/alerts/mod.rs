//! What stands where: the alerts of the store, overlaid by local commands that the store has not taken yet. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Instant;

use super::command::{Action, BusError};
use super::parse;
use crate::model::{Alert, AlertKeys, AlertReading, CompatKey, Owner, Owners, ServiceName};

/// A key without the store's prefix. Bytes, because an owner may be any.
pub(super) type Key = Vec<u8>;

/// More keys than this are taken up only while they make a difference.
pub(super) const MAX_KEYS: usize = 4096;

/// A service and the keys that hold its alerts.
#[derive(Clone, Debug)]
pub struct Watched {
    pub service: ServiceName,
    pub keys: AlertKeys,
}

/// All alerts of all services.
pub(super) struct Alerts {
    services: Vec<Service>,
    stored: BTreeMap<Key, Stored>,
    pending: BTreeMap<Key, Pending>,
    compat: BTreeMap<CompatKey, Alert>,
    serial: u64,
    store_read: bool,
    compat_read: bool,
}

struct Service {
    watched: Watched,
    /// What was last given out.
    told: Option<Owners>,
    /// The first sign of a change that was not given out yet.
    changed: Option<Instant>,
}

struct Stored {
    alert: Alert,
    /// When to look again because the key's time runs out.
    expires: Option<Instant>,
}

/// A local command on one key that the store has not confirmed.
struct Pending {
    write: Write,
    /// Refused by the store; waits for [`Alerts::retry`].
    refused: bool,
}

/// One write that the store is to take.
#[derive(Clone)]
pub(super) struct Write {
    pub(super) key: Key,
    pub(super) change: Change,
    serial: u64,
}

#[derive(Clone)]
pub(super) enum Change {
    Raise(Alert),
    /// Removes the key. What was known to stand there, so that a later alert of somebody else is not removed with it.
    Clear {
        known: Vec<Alert>,
    },
}

impl Alerts {
    pub(super) fn new(watched: Vec<Watched>) -> Self {
        let compat_read = watched.iter().all(|watched| watched.keys.compat.is_empty());
        let services =
            watched.into_iter().map(|watched| Service { watched, told: None, changed: None }).collect::<Vec<_>>();
        Self {
            services,
            stored: BTreeMap::new(),
            pending: BTreeMap::new(),
            compat: BTreeMap::new(),
            serial: 0,
            store_read: false,
            compat_read,
        }
    }

    /// The keys of the services themselves, without owners.
    pub(super) fn roots(&self) -> Vec<Key> {
        let roots: BTreeSet<Key> = self.services.iter().map(Service::root).map(<[u8]>::to_vec).collect();
        roots.into_iter().collect()
    }

    /// Every key that is to be read to know that nothing changed.
    pub(super) fn known_keys(&self) -> Vec<Key> {
        let mut keys: BTreeSet<Key> = self.stored.keys().cloned().collect();
        for service in &self.services {
            keys.insert(service.root().to_vec());
            keys.insert(service.api_key());
        }
        keys.into_iter().collect()
    }

    /// The old keys of all services.
    pub(super) fn compat_keys(&self) -> Vec<CompatKey> {
        let keys: BTreeSet<&CompatKey> =
            self.services.iter().flat_map(|service| &service.watched.keys.compat).collect();
        keys.into_iter().cloned().collect()
    }

    /// Puts a command in force and returns all that stands then.
    pub(super) fn command(&mut self, service: &ServiceName, action: Action, seen: Instant) -> Result<Owners, BusError> {
        let found = self.services.iter().find(|candidate| candidate.watched.service == *service);
        let service = found.ok_or_else(|| BusError::UnknownService(service.clone()))?;
        let (root, api) = (service.root().to_vec(), service.api_key());
        let name = service.watched.service.clone();
        match action {
            Action::Raise(alert) => {
                let alert = parse::bounded(&alert.reason, alert.by.as_deref());
                self.overlay(api, Change::Raise(alert), seen);
            }
            Action::Clear => {
                for key in [root, api] {
                    let known = self.known_at(&key);
                    self.overlay(key, Change::Clear { known }, seen);
                }
            }
        }
        let service = self.services.iter().find(|service| service.watched.service == name);
        Ok(service.map(|service| self.owners(service)).unwrap_or_default())
    }

    /// Takes in what the store holds under a key.
    pub(super) fn apply(&mut self, key: Key, alert: Option<Alert>, expires: Option<Instant>, seen: Instant) {
        let before = self.stored.get(&key).map(|stored| &stored.alert);
        if before == alert.as_ref() {
            if let Some(stored) = self.stored.get_mut(&key) {
                stored.expires = expires;
            }
            return;
        }
        if before.is_none() && self.stored.len() >= MAX_KEYS && !self.matters(&key) {
            return;
        }
        self.touch(&key, seen);
        match alert {
            Some(alert) => self.stored.insert(key, Stored { alert, expires }),
            None => self.stored.remove(&key),
        };
    }

    /// Takes in what stands in all old keys.
    pub(super) fn apply_compat(&mut self, standing: BTreeMap<CompatKey, Alert>, seen: Instant) {
        self.compat_read = true;
        self.compat = standing;
        self.touch_all(seen);
    }

    /// Every key has been read at least once.
    pub(super) fn store_was_read(&mut self, seen: Instant) {
        if !self.store_read {
            self.store_read = true;
            self.touch_all(seen);
        }
    }

    /// A service whose alerts changed since they were last given out, or were never. `None`: nothing new.
    pub(super) fn take_reading(&mut self) -> Option<AlertReading> {
        if !self.has_news() {
            return None;
        }
        for index in 0..self.services.len() {
            let Some(seen) = self.services[index].changed.take() else { continue };
            let owners = self.owners(&self.services[index]);
            let service = &mut self.services[index];
            if service.told.as_ref() != Some(&owners) {
                service.told = Some(owners.clone());
                return Some(AlertReading { service: service.watched.service.clone(), owners, seen });
            }
        }
        None
    }

    /// Whether [`Self::take_reading`] has something to look at.
    pub(super) fn has_news(&self) -> bool {
        self.store_read && self.compat_read && self.services.iter().any(|service| service.changed.is_some())
    }

    /// The writes that the store has not refused yet.
    pub(super) fn unsent(&self) -> Vec<Write> {
        self.pending.values().filter(|pending| !pending.refused).map(|pending| pending.write.clone()).collect()
    }

    pub(super) fn has_unsent(&self) -> bool {
        self.pending.values().any(|pending| !pending.refused)
    }

    /// The store took the write.
    pub(super) fn settle(&mut self, write: &Write, seen: Instant) {
        if self.forget(write, seen) {
            let alert = match &write.change {
                Change::Raise(alert) => Some(alert.clone()),
                Change::Clear { .. } => None,
            };
            self.apply(write.key.clone(), alert, None, seen);
        }
    }

    /// Gives a write up. `false`: a later command has replaced it.
    pub(super) fn forget(&mut self, write: &Write, seen: Instant) -> bool {
        let current = self.pending.get(&write.key).is_some_and(|pending| pending.write.serial == write.serial);
        if current {
            self.pending.remove(&write.key);
            self.touch(&write.key, seen);
        }
        current
    }

    /// The store refused the write: it stays in force here until [`Self::retry`].
    pub(super) fn refuse(&mut self, write: &Write) {
        if let Some(pending) = self.pending.get_mut(&write.key)
            && pending.write.serial == write.serial
        {
            pending.refused = true;
        }
    }

    /// Offers all refused writes again.
    pub(super) fn retry(&mut self) {
        self.pending.values_mut().for_each(|pending| pending.refused = false);
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

    /// What stands for a service now.
    fn owners(&self, service: &Service) -> Owners {
        let stored = under(&self.stored, service.root())
            .filter(|(key, _)| !self.pending.contains_key(*key))
            .map(|(key, stored)| (key, &stored.alert));
        let pending = under(&self.pending, service.root()).filter_map(|(key, pending)| match &pending.write.change {
            Change::Raise(alert) => Some((key, alert)),
            Change::Clear { .. } => None,
        });
        let mut owners: Owners =
            stored.chain(pending).map(|(key, alert)| (service.owner(key), alert.clone())).collect();
        for key in &service.watched.keys.compat {
            if let Some(alert) = self.compat.get(key) {
                owners.insert(Arc::from(format!("compat:{}", key.key())), alert.clone());
            }
        }
        owners
    }

    fn overlay(&mut self, key: Key, change: Change, seen: Instant) {
        self.serial += 1;
        self.touch(&key, seen);
        let write = Write { key: key.clone(), change, serial: self.serial };
        self.pending.insert(key, Pending { write, refused: false });
    }

    /// What may be in the store under a key as far as is known here.
    fn known_at(&self, key: &Key) -> Vec<Alert> {
        let mut known: Vec<Alert> = self.stored.get(key).map(|stored| stored.alert.clone()).into_iter().collect();
        match self.pending.get(key).map(|pending| &pending.write.change) {
            Some(Change::Raise(alert)) => known.push(alert.clone()),
            Some(Change::Clear { known: earlier }) => known.extend(earlier.iter().take(2).cloned()),
            None => {}
        }
        known.dedup();
        known
    }

    /// Whether one more alert would change whether some service is alerted.
    fn matters(&self, key: &[u8]) -> bool {
        let service_alerted = |service: &Service| under(&self.stored, service.root()).next().is_some();
        self.services.iter().any(|service| {
            key == service.root() || key == service.api_key() || (service.concerns(key) && !service_alerted(service))
        })
    }

    fn touch(&mut self, key: &[u8], seen: Instant) {
        for service in self.services.iter_mut().filter(|service| service.concerns(key)) {
            service.changed.get_or_insert(seen);
        }
    }

    fn touch_all(&mut self, seen: Instant) {
        for service in &mut self.services {
            service.changed.get_or_insert(seen);
        }
    }
}

impl Service {
    fn root(&self) -> &[u8] {
        self.watched.keys.key.as_bytes()
    }

    fn api_key(&self) -> Key {
        [self.root(), b":api"].concat()
    }

    fn concerns(&self, key: &[u8]) -> bool {
        is_under(key, self.root())
    }

    fn owner(&self, key: &[u8]) -> Owner {
        let rest = key.get(self.root().len() + 1..).unwrap_or_default();
        parse::owner(rest)
    }
}

/// Whether a key is `root` or `root:<owner>`.
pub(super) fn is_under(key: &[u8], root: &[u8]) -> bool {
    key.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with(b":"))
}

/// The entries of a map whose key is `root` or `root:<owner>`.
fn under<'a, T>(map: &'a BTreeMap<Key, T>, root: &'a [u8]) -> impl Iterator<Item = (&'a Key, &'a T)> {
    map.range::<[u8], _>((Bound::Included(root), Bound::Unbounded))
        .take_while(move |(key, _)| key.starts_with(root))
        .filter(move |(key, _)| is_under(key, root))
}

#[cfg(test)]
mod tests;
