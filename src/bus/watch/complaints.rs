//! Values that nobody can read, and writes that the store will not take: each is named once.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::bus::key::Key;
use crate::bus::parse::{Raw, Unreadable};

/// More of them are not named.
const MAX: usize = 256;

/// The keys that were complained of, and a hash of what they held then.
#[derive(Default)]
pub(super) struct Complaints(BTreeMap<Key, u64>);

impl Complaints {
    /// Logs what is wrong with a value, once for each key and value.
    pub(super) fn hear(&mut self, key: &[u8], raw: &Raw, problem: Option<&Unreadable>) {
        if let Some(Unreadable(why)) = problem
            && self.is_new(key, raw)
        {
            let key = String::from_utf8_lossy(key).into_owned();
            tracing::warn!(key, why, "a key in the alert store holds what cannot be read, and is ignored");
        } else if problem.is_none() {
            self.0.remove(key);
        }
    }

    fn is_new(&mut self, key: &[u8], raw: &Raw) -> bool {
        let mut hasher = DefaultHasher::new();
        raw.hash(&mut hasher);
        if self.0.len() >= MAX && !self.0.contains_key(key) {
            return false;
        }
        self.0.insert(key.to_vec(), hasher.finish()) != Some(hasher.finish())
    }
}

/// The keys of which the store refused a write and has taken none since. The store may take some and refuse others.
#[derive(Default)]
pub(super) struct Refusals(BTreeSet<Key>);

impl Refusals {
    /// Whether this is worth a line.
    pub(super) fn is_new(&mut self, key: &[u8]) -> bool {
        self.0.len() < MAX && self.0.insert(key.to_vec())
    }

    pub(super) fn taken(&mut self, key: &[u8]) {
        self.0.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_refused_again_and_again_is_named_once_whatever_else_is_taken() {
        let mut refusals = Refusals::default();
        assert!(refusals.is_new(b"affinity:key"));
        refusals.taken(b"eject:app:lb1");
        assert!(!refusals.is_new(b"affinity:key"));
        refusals.taken(b"affinity:key");
        assert!(refusals.is_new(b"affinity:key"));
        assert_eq!((0..2 * MAX).filter(|key| refusals.is_new(key.to_string().as_bytes())).count(), MAX - 1);
    }

    #[test]
    fn a_value_is_complained_of_once_and_a_bounded_number_of_keys() {
        let mut complaints = Complaints::default();
        let (a, b) = (Raw::Bytes(b"a".to_vec()), Raw::Bytes(b"b".to_vec()));
        assert!(complaints.is_new(b"weight:app", &a));
        assert!(!complaints.is_new(b"weight:app", &a));
        assert!(complaints.is_new(b"weight:app", &b));
        complaints.hear(b"weight:app", &b, None);
        assert!(complaints.is_new(b"weight:app", &b));
        let named = (0..2 * MAX).filter(|key| complaints.is_new(key.to_string().as_bytes(), &a)).count();
        assert_eq!(named, MAX - 1);
    }
}
