//! The certificates that are shown, by the name that a client asks for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::certificate::Certificate;
use crate::model::HostPattern;

/// Where certificates come from. Those of one source do not touch those of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Files of the operator: for one name they go before the others, and the first of them is the default.
    Files,
    /// An authority that is asked for them.
    Authority,
}

/// What handshakes show. Cheap to clone; all clones are the same store.
///
/// A handshake reads one snapshot and takes no lock.
#[derive(Clone, Debug, Default)]
pub struct Store {
    shown: Arc<ArcSwap<Shown>>,
    known: Arc<Mutex<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    files: Vec<Certificate>,
    authority: Vec<Certificate>,
}

impl Store {
    /// Shows these and no others of `source`, from the next handshake on. False when they are shown already.
    pub fn set(&self, source: Source, certificates: Vec<Certificate>) -> bool {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let place = match source {
            Source::Files => &mut known.files,
            Source::Authority => &mut known.authority,
        };
        if *place == certificates {
            return false;
        }
        *place = certificates;
        self.shown.store(Arc::new(Shown::new(known.files.iter().chain(&known.authority))));
        true
    }

    /// Every certificate, those of files first.
    pub fn all(&self) -> Vec<Certificate> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.files.iter().chain(&known.authority).cloned().collect()
    }
}

impl ResolvesServerCert for Store {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.shown.load().find(hello.server_name()).cloned()
    }
}

#[derive(Debug, Default)]
struct Shown {
    exact: HashMap<Arc<str>, Arc<CertifiedKey>>,
    /// By the domain, for names of one label below it.
    below: HashMap<Arc<str>, Arc<CertifiedKey>>,
    default: Option<Arc<CertifiedKey>>,
}

impl Shown {
    /// Of two for one name the first is shown.
    fn new<'c>(certificates: impl Iterator<Item = &'c Certificate>) -> Self {
        let mut shown = Self::default();
        for Certificate { hosts, key, .. } in certificates {
            shown.default.get_or_insert_with(|| key.clone());
            for host in hosts {
                let (names, name) = match host {
                    HostPattern::Exact(name) => (&mut shown.exact, name),
                    HostPattern::Below(domain) => (&mut shown.below, domain),
                };
                names.entry(name.clone()).or_insert_with(|| key.clone());
            }
        }
        shown
    }

    /// `name` is in lower case, as rustls gives it.
    fn find(&self, name: Option<&str>) -> Option<&Arc<CertifiedKey>> {
        let exact = |name| self.exact.get(name);
        let below = |name: &str| self.below.get(name.split_once('.')?.1);
        name.and_then(|name| exact(name).or_else(|| below(name))).or(self.default.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::super::certificate::tests::certificate;
    use super::*;

    fn shown(store: &Store, name: &str) -> String {
        let shown = store.shown.load();
        let key = shown.find(Some(name).filter(|name| !name.is_empty())).unwrap();
        store.all().iter().find(|certificate| Arc::ptr_eq(&certificate.key, key)).unwrap().name.clone()
    }

    #[test]
    fn a_name_finds_its_certificate_then_its_wildcard_then_the_first() {
        let store = Store::default();
        assert!(store.shown.load().find(Some("a.test")).is_none());
        let certificates = [&["first.test"][..], &["*.example.org", "example.org"], &["www.example.org"]];
        store.set(Source::Files, certificates.map(certificate).into());
        for (name, found) in [
            ("first.test", "first.test"),
            ("example.org", "*.example.org"),
            ("a.example.org", "*.example.org"),
            ("www.example.org", "www.example.org"),
            ("a.b.example.org", "first.test"),
            ("org", "first.test"),
            ("", "first.test"),
        ] {
            assert_eq!(shown(&store, name), found, "{name}");
        }
    }

    #[test]
    fn the_certificates_of_one_source_survive_those_of_the_other() {
        let store = Store::default();
        assert!(store.set(Source::Authority, vec![certificate(&["acme.test"]), certificate(&["both.test"])]));
        assert_eq!(shown(&store, ""), "acme.test");
        let both = certificate(&["both.test", "more.test"]);
        assert!(store.set(Source::Files, vec![both.clone()]));
        assert_eq!((shown(&store, "acme.test"), shown(&store, "")), ("acme.test".into(), "both.test".into()));
        assert_eq!(store.all().len(), 3);
        assert!(!store.set(Source::Files, vec![both]), "nothing is new");
        assert!(store.set(Source::Authority, Vec::new()));
        assert_eq!(shown(&store, "acme.test"), "both.test");
    }
}
