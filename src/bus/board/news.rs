//! Who is to be told what: the latest of each service, whole, and never the same twice.

use std::sync::Arc;
use std::time::Instant;

use super::{Board, Change, Pending, Stored, under};
use crate::bus::command::Watched;
use crate::bus::held::Held;
use crate::bus::key::{self, Key, is_under, rest};
use crate::bus::parse;
use crate::model::{AlertReading, MarkReading, Marks, Owners};

/// A watched service and what is said of it.
pub(super) struct Service {
    pub(super) watched: Watched,
    pub(super) alerts: News<Owners>,
    pub(super) marks: News<Marks>,
}

/// What somebody is kept informed of.
pub(super) struct News<T> {
    /// The generation in which this came up.
    born: u64,
    /// Whether everything that counts has been read since.
    read: bool,
    /// What was last given out.
    told: Option<T>,
    /// The first sign of a change that was not given out yet.
    changed: Option<Instant>,
}

impl<T: Clone + PartialEq> News<T> {
    fn new(born: u64) -> Self {
        Self { born, read: false, told: None, changed: None }
    }

    pub(super) fn touch(&mut self, seen: Instant) {
        self.changed.get_or_insert(seen);
    }

    /// Everything of that generation has been read.
    pub(super) fn was_read(&mut self, generation: u64, seen: Instant) {
        if !self.read && self.born <= generation {
            self.read = true;
            self.touch(seen);
        }
    }

    fn was_told(&self) -> bool {
        self.told.is_some()
    }

    fn waits(&self) -> bool {
        self.read && self.changed.is_some()
    }

    /// Gives out what stands, unless that was the last word too.
    fn tell(&mut self, standing: &T) -> Option<Instant> {
        let seen = self.changed.take()?;
        if self.told.as_ref() == Some(standing) {
            return None;
        }
        self.told = Some(standing.clone());
        Some(seen)
    }
}

impl Service {
    pub(super) fn new(watched: Watched, born: u64) -> Self {
        Self { watched, alerts: News::new(born), marks: News::new(born) }
    }

    /// The same service, whose alerts may be found elsewhere.
    pub(super) fn rewatched(mut self, watched: Watched, generation: u64, seen: Instant) -> Self {
        if self.watched.keys.key != watched.keys.key {
            self.alerts = News::new(generation);
        } else if self.watched.keys != watched.keys {
            self.alerts.touch(seen);
        }
        Self { watched, ..self }
    }

    pub(super) fn root(&self) -> &[u8] {
        self.watched.keys.key.as_bytes()
    }

    pub(super) fn api_key(&self) -> Key {
        [self.root(), b":api"].concat()
    }

    /// Whether an alert's key is one of this service.
    pub(super) fn concerns(&self, key: &[u8]) -> bool {
        is_under(key, self.root())
    }
}

impl Board {
    /// The alerts of a service that changed since they were last given out, or never were. `None`: nothing new.
    pub(in crate::bus) fn take_reading(&mut self) -> Option<AlertReading> {
        for index in 0..self.services.len() {
            if !self.alerts_wait(&self.services[index]) {
                continue;
            }
            let owners = self.owners(&self.services[index]);
            let service = &mut self.services[index];
            if let Some(seen) = service.alerts.tell(&owners) {
                return Some(AlertReading { service: service.watched.service.clone(), owners, seen });
            }
        }
        None
    }

    /// As [`Self::take_reading`], for marks.
    pub(in crate::bus) fn take_marks(&mut self) -> Option<MarkReading> {
        for index in 0..self.services.len() {
            if !self.services[index].marks.waits() {
                continue;
            }
            let marks = self.marks(&self.services[index]);
            let service = &mut self.services[index];
            if let Some(seen) = service.marks.tell(&marks) {
                return Some(MarkReading { service: service.watched.service.clone(), marks, seen });
            }
        }
        None
    }

    /// Whether [`Self::take_reading`] has something to look at.
    pub(in crate::bus) fn has_news(&self) -> bool {
        self.services.iter().any(|service| self.alerts_wait(service))
    }

    /// Whether [`Self::take_marks`] has something to look at.
    pub(in crate::bus) fn has_marks(&self) -> bool {
        self.services.iter().any(|service| service.marks.waits())
    }

    /// Marks go first: whoever is told that no alert stands lets a canary in.
    fn alerts_wait(&self, service: &Service) -> bool {
        service.alerts.waits()
            && service.marks.was_told()
            && service.watched.keys.compat.iter().all(|key| self.compat_read.contains(key))
    }

    /// The alerts that stand for a service.
    pub(super) fn owners(&self, service: &Service) -> Owners {
        let mut owners = Owners::new();
        for (key, held) in self.standing(service.root()) {
            if let Held::Alert(alert) = held {
                owners.insert(parse::owner(rest(key, service.root())), alert.clone());
            }
        }
        for key in &service.watched.keys.compat {
            if let Some(alert) = self.compat.get(key) {
                owners.insert(Arc::from(format!("compat:{}", key.key())), alert.clone());
            }
        }
        owners
    }

    /// The marks that stand for a service.
    pub(super) fn marks(&self, service: &Service) -> Marks {
        let name = &service.watched.service;
        let roots = [key::drains(name), key::weights(name), key::ejection(name), key::lease(name)];
        let own = key::peer(name, &self.name);
        let mut marks = Marks::default();
        for (root, key, held) in
            roots.iter().flat_map(|root| self.standing(root).map(move |(key, held)| (root, key, held)))
        {
            match held {
                Held::Drain(mark) => _ = marks.drains.insert(parse::backend(rest(key, root)), mark.clone()),
                Held::Weights(mark) => marks.weights = Some(mark.clone()),
                Held::Ejection(mark) => marks.ejection = Some(mark.clone()),
                Held::Peer(_) if *key == own => {}
                Held::Peer(mark) => _ = marks.peers.insert(parse::balancer(rest(key, root)), mark.clone()),
                Held::Lease(mark) => marks.lease = Some(mark.clone()),
                // A key that can be an alert is no mark.
                Held::Alert(_) | Held::AffinityKey(_) | Held::Challenge(_) => {}
            }
        }
        marks
    }

    /// What stands at and under a root.
    fn standing<'a>(&'a self, root: &'a [u8]) -> impl Iterator<Item = (&'a Key, &'a Held)> {
        let stored = under(&self.stored, root)
            .filter(|(key, _)| !self.pending.contains_key(*key))
            .map(|(key, Stored { held, .. })| (key, held));
        let pending = under(&self.pending, root).filter_map(|(key, Pending { write, .. })| match &write.change {
            Change::Put { held, .. } => Some((key, held)),
            Change::Remove { .. } => None,
        });
        stored.chain(pending)
    }
}
