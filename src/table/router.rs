//! From a request's host and path to its service.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use super::{is_plain, normalized};
use crate::model::{HostPattern, PathPrefix};

/// Finds the service of a request: an exact host before a wildcard before any host, the longer wildcard first, and
/// among these the longest path prefix. A host that has no matching prefix falls through to the next kind.
#[derive(Clone, Debug, Default)]
pub struct Router {
    exact: HashMap<Arc<str>, Prefixes>,
    below: HashMap<Arc<str>, Prefixes>,
    any: Prefixes,
}

/// Longest prefix first, with the index of its service.
type Prefixes = Vec<(PathPrefix, usize)>;

impl Router {
    /// `matches` gives, for the service of each index, its hosts (none: any) and its path prefix. Of two services with
    /// the same match the first wins; the configuration refuses them.
    pub fn new<'a>(matches: impl IntoIterator<Item = (&'a [HostPattern], &'a PathPrefix)>) -> Self {
        let mut router = Self::default();
        for (service, (hosts, prefix)) in matches.into_iter().enumerate() {
            if hosts.is_empty() {
                insert(&mut router.any, prefix, service);
            }
            for host in hosts {
                let prefixes = match host {
                    HostPattern::Exact(name) => router.exact.entry(name.clone()).or_default(),
                    HostPattern::Below(domain) => router.below.entry(domain.clone()).or_default(),
                };
                insert(prefixes, prefix, service);
            }
        }
        router
    }

    /// Index of the service for a host without its port (empty: the request named none) and a raw path.
    pub fn find(&self, host: &str, path: &str) -> Option<usize> {
        if self.exact.is_empty() && self.below.is_empty() {
            return longest(&self.any, path);
        }
        let host = lower_case(host.strip_suffix('.').unwrap_or(host));
        self.exact
            .get(&*host)
            .and_then(|prefixes| longest(prefixes, path))
            .or_else(|| {
                let parents = host.match_indices('.').map(|(dot, _)| &host[dot + 1..]);
                parents.filter_map(|domain| self.below.get(domain)).find_map(|prefixes| longest(prefixes, path))
            })
            .or_else(|| longest(&self.any, path))
    }

    /// Whether a path leads to the same service however it is read (see [`normalized`]). One that is no path does not.
    pub fn is_unambiguous(&self, host: &str, path: &str) -> bool {
        is_plain(path) || normalized(path).is_some_and(|normal| self.find(host, &normal) == self.find(host, path))
    }
}

fn insert(prefixes: &mut Prefixes, prefix: &PathPrefix, service: usize) {
    let place = prefixes.partition_point(|(other, _)| other.specificity() >= prefix.specificity());
    prefixes.insert(place, (prefix.clone(), service));
}

fn longest(prefixes: &Prefixes, path: &str) -> Option<usize> {
    prefixes.iter().find(|(prefix, _)| prefix.matches(path)).map(|(_, service)| *service)
}

fn lower_case(host: &str) -> Cow<'_, str> {
    if host.bytes().any(|b| b.is_ascii_uppercase()) {
        Cow::Owned(host.to_ascii_lowercase())
    } else {
        Cow::Borrowed(host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn router(services: &[(&[&str], &str)]) -> Router {
        let parsed: Vec<(Vec<HostPattern>, PathPrefix)> = services
            .iter()
            .map(|(hosts, prefix)| {
                let hosts = hosts.iter().map(|host| HostPattern::new(host).unwrap()).collect();
                (hosts, PathPrefix::new(prefix).unwrap())
            })
            .collect();
        Router::new(parsed.iter().map(|(hosts, prefix)| (hosts.as_slice(), prefix)))
    }

    #[test]
    fn an_exact_host_wins_over_a_wildcard_and_a_wildcard_over_any() {
        let router = router(&[(&[], "/"), (&["*.example.org"], "/"), (&["www.example.org"], "/")]);
        assert_eq!(router.find("www.example.org", "/"), Some(2));
        assert_eq!(router.find("WWW.Example.ORG.", "/"), Some(2));
        assert_eq!(router.find("api.example.org", "/"), Some(1));
        assert_eq!(router.find("example.org", "/"), Some(0));
        assert_eq!(router.find("", "/"), Some(0));
    }

    #[test]
    fn the_longer_wildcard_wins() {
        let router = router(&[(&["*.example.org"], "/"), (&["*.eu.example.org"], "/")]);
        assert_eq!(router.find("a.eu.example.org", "/"), Some(1));
        assert_eq!(router.find("a.b.example.org", "/"), Some(0));
    }

    #[test]
    fn the_longest_prefix_wins_on_segment_boundaries() {
        let router = router(&[(&[], "/"), (&[], "/api"), (&[], "/api/design")]);
        assert_eq!(router.find("x", "/api/design/survey"), Some(2));
        assert_eq!(router.find("x", "/api/designs"), Some(1));
        assert_eq!(router.find("x", "/apix"), Some(0));
    }

    #[test]
    fn a_host_without_a_matching_prefix_falls_through() {
        let router = router(&[(&["www.example.org"], "/api"), (&[], "/")]);
        assert_eq!(router.find("www.example.org", "/api"), Some(0));
        assert_eq!(router.find("www.example.org", "/other"), Some(1));
    }

    #[test]
    fn nothing_matches_nothing() {
        let router = router(&[(&["www.example.org"], "/api")]);
        assert_eq!(router.find("www.example.org", "/"), None);
        assert_eq!(router.find("example.org", "/api"), None);
    }
}
