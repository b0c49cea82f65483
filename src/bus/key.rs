//! Which keys are ours, and what each is for. Pure.

use std::collections::BTreeSet;

use super::command::{MarkName, Watched};
use crate::model::ServiceName;

/// A key without the store's prefix. Bytes, because an owner may be any.
pub(super) type Key = Vec<u8>;

/// Holds the key that signs the cookies of all balancers on the prefix.
pub(super) const AFFINITY: &[u8] = b"affinity:key";

/// The root of the challenges of a certificate authority. No key by itself.
pub(super) const CHALLENGES: &[u8] = b"acme";

/// What the keys of marks begin with, before a colon.
const KINDS: [&str; 6] = ["drain", "weight", "eject", "lease", "affinity", "acme"];

/// Whether an alert under this key would take the place of marks.
pub fn is_for_marks(key: &str) -> bool {
    KINDS.contains(&key.split(':').next().unwrap_or_default())
}

/// What a key is for. A service named here is one that is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// An alert of every service whose alert key this is, or lies under.
    Alert,
    Drain(ServiceName),
    Weights(ServiceName),
    Ejection(ServiceName),
    /// An ejection that one balancer has seen at first hand.
    Peer(ServiceName),
    Lease(ServiceName),
    AffinityKey,
    /// A token that a certificate authority will ask for.
    Challenge(String),
}

/// What all balancers on the prefix have together, where it is of interest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Shared {
    /// The key that signs cookies.
    pub(super) affinity: bool,
    /// The challenges of a certificate authority.
    pub(super) challenges: bool,
}

/// All keys that are looked at.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys {
    /// The alert keys themselves, without owners.
    alerts: BTreeSet<Key>,
    services: BTreeSet<ServiceName>,
    shared: Shared,
}

impl Keys {
    pub(super) fn new(watched: &[Watched], shared: Shared) -> Self {
        let alerts = watched.iter().map(|watched| watched.keys.key.as_bytes().to_vec()).collect();
        let services = watched.iter().map(|watched| watched.service.clone()).collect();
        Self { alerts, services, shared }
    }

    /// What a key is for; `None`: not ours. A key that can be an alert always is one: reading an alert as something
    /// else could keep a bad canary in.
    pub(super) fn place(&self, key: &[u8]) -> Option<Place> {
        if self.alerts.iter().any(|root| is_under(key, root)) {
            return Some(Place::Alert);
        }
        if key == AFFINITY {
            return self.shared.affinity.then_some(Place::AffinityKey);
        }
        if is_under(key, CHALLENGES) {
            let token = std::str::from_utf8(rest(key, CHALLENGES)).ok().filter(|token| is_token(token))?;
            return self.shared.challenges.then(|| Place::Challenge(token.to_owned()));
        }
        let (kind, rest) = split(key);
        let (service, tail) = split(rest?);
        let service = ServiceName::new(std::str::from_utf8(service).ok()?)?;
        let service = self.services.get(&service)?.clone();
        match (kind, tail) {
            (b"drain", Some([_, ..])) => Some(Place::Drain(service)),
            (b"weight", None) => Some(Place::Weights(service)),
            (b"eject", None) => Some(Place::Ejection(service)),
            (b"eject", Some([_, ..])) => Some(Place::Peer(service)),
            (b"lease", None) => Some(Place::Lease(service)),
            _ => None,
        }
    }

    /// The roots under which there may be any number of keys.
    pub(super) fn roots(&self) -> Vec<Key> {
        let many = |service| [drains(service), ejection(service)];
        let challenges = self.shared.challenges.then(|| CHALLENGES.to_vec());
        self.alerts.iter().cloned().chain(self.services.iter().flat_map(many)).chain(challenges).collect()
    }

    /// Every key whose name is known before it was ever seen.
    pub(super) fn fixed(&self) -> impl Iterator<Item = Key> {
        let alerts = self.alerts.iter().flat_map(|root| [root.clone(), [root, b":api".as_slice()].concat()]);
        let marks = self.services.iter().flat_map(|service| [weights(service), ejection(service), lease(service)]);
        alerts.chain(marks).chain(self.shared.affinity.then(|| AFFINITY.to_vec()))
    }
}

/// The key of a mark.
pub(super) fn mark(service: &ServiceName, name: &MarkName) -> Key {
    match name {
        MarkName::Drain(backend) => format!("drain:{service}:{backend}").into_bytes(),
        MarkName::Weights => weights(service),
        MarkName::Ejection => ejection(service),
    }
}

/// The root of all drains of a service. No key by itself.
pub(super) fn drains(service: &ServiceName) -> Key {
    format!("drain:{service}").into_bytes()
}

pub(super) fn weights(service: &ServiceName) -> Key {
    format!("weight:{service}").into_bytes()
}

/// The operators' ejection, and the root of those by balancers.
pub(super) fn ejection(service: &ServiceName) -> Key {
    format!("eject:{service}").into_bytes()
}

pub(super) fn peer(service: &ServiceName, balancer: &str) -> Key {
    format!("eject:{service}:{balancer}").into_bytes()
}

pub(super) fn lease(service: &ServiceName) -> Key {
    format!("lease:{service}").into_bytes()
}

pub(super) fn challenge(token: &str) -> Key {
    [CHALLENGES, b":", token.as_bytes()].concat()
}

/// Whether a text can be a token (RFC 8555, 8.3): base64url without padding.
pub(super) fn is_token(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=256).contains(&text.len()) && text.bytes().all(allowed)
}

/// Whether a key is `root` or `root:<owner>`.
pub(super) fn is_under(key: &[u8], root: &[u8]) -> bool {
    key.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with(b":"))
}

/// What follows `root:` in a key that is under it; empty for `root` itself.
pub(super) fn rest<'a>(key: &'a [u8], root: &[u8]) -> &'a [u8] {
    key.get(root.len() + 1..).unwrap_or_default()
}

/// The parts before and after the first colon.
fn split(key: &[u8]) -> (&[u8], Option<&[u8]>) {
    match key.iter().position(|byte| *byte == b':') {
        Some(at) => (&key[..at], Some(&key[at + 1..])),
        None => (key, None),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{AlertKeys, BackendId};

    fn keys(alert: &str) -> Keys {
        let keys = AlertKeys { key: alert.to_owned(), compat: Vec::new() };
        Keys::new(&[Watched { service: app(), keys }], Shared { affinity: true, challenges: true })
    }

    fn app() -> ServiceName {
        ServiceName::new("app").unwrap()
    }

    #[test]
    fn every_key_of_a_watched_service_has_its_place() {
        let keys = keys("alert:app");
        let place = |key: &str| keys.place(key.as_bytes());
        assert_eq!(place("alert:app"), Some(Place::Alert));
        assert_eq!(place("alert:app:a:b"), Some(Place::Alert));
        assert_eq!(place("drain:app:[::1]:80"), Some(Place::Drain(app())));
        assert_eq!(place("weight:app"), Some(Place::Weights(app())));
        assert_eq!(place("eject:app"), Some(Place::Ejection(app())));
        assert_eq!(place("eject:app:lb-1.example"), Some(Place::Peer(app())));
        assert_eq!(place("lease:app"), Some(Place::Lease(app())));
        assert_eq!(place("affinity:key"), Some(Place::AffinityKey));
        assert_eq!(place("acme:tok-en_1"), Some(Place::Challenge("tok-en_1".to_owned())));
    }

    #[test]
    fn what_only_looks_alike_is_a_stranger() {
        let keys = keys("alert:app");
        for stranger in [
            "",
            ":",
            "drain",
            "drain:app",
            "drain:app:",
            "drain:other:x",
            "weight:app:x",
            "eject:app:",
            "eject:",
            "lease:app:x",
            "lease:App",
            "affinity:key:x",
            "alert:application",
            "alert",
            "weights:app",
            "acme",
            "acme:",
            "acme:a.b",
            "acme:a:b",
        ] {
            assert_eq!(keys.place(stranger.as_bytes()), None, "{stranger}");
        }
        assert_eq!(keys.place(b"drain:\xff:x"), None);
        assert_eq!(keys.place(b"drain:app:\xff"), Some(Place::Drain(app())));
    }

    #[test]
    fn a_key_that_can_be_an_alert_is_one() {
        assert_eq!(keys("eject").place(b"eject:app"), Some(Place::Alert));
    }

    #[test]
    fn no_key_of_a_mark_is_left_to_alerts() {
        for mark in ["drain:app:x", "drain", "weight:app", "eject:app:lb1", "lease:app", "affinity:key", "acme:x"] {
            assert!(is_for_marks(mark), "{mark}");
        }
        for free in ["alert:app", "drains:app", "app:drain", "ejected", ""] {
            assert!(!is_for_marks(free), "{free}");
        }
    }

    #[test]
    fn a_mark_is_found_where_it_is_written() {
        let name = MarkName::Drain(BackendId::new("10.0.0.1:3000"));
        let key = mark(&app(), &name);
        assert_eq!(keys("alert:app").place(&key), Some(Place::Drain(app())));
        assert_eq!(rest(&key, &drains(&app())), b"10.0.0.1:3000");
        assert_eq!(rest(b"alert:app", b"alert:app"), b"");
    }

    proptest! {
        #[test]
        fn any_bytes_are_placed_without_panic(tail in proptest::collection::vec(any::<u8>(), 0..40)) {
            for start in ["", "drain:", "drain:app:", "eject:app:", "lease:"] {
                let key = [start.as_bytes(), &tail].concat();
                let _ = keys("alert:app").place(&key);
            }
        }
    }
}
