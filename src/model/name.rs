//! Names by which a request finds its service.

use std::fmt;
use std::sync::Arc;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A service's name: `[a-z0-9-]+`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ServiceName(Arc<str>);

impl ServiceName {
    /// `None` unless `name` is one to 63 of `a-z`, `0-9` and `-`.
    pub fn new(name: &str) -> Option<Self> {
        let valid = (1..=63).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        valid.then(|| Self(name.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for ServiceName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::new(&name).ok_or_else(|| D::Error::custom("not a name of a service"))
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A `Host` that a service answers to: an exact name, or every name below a domain. Always lower case, without a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostPattern {
    Exact(Arc<str>),
    /// `*.example.org`, kept as `example.org`; matches any number of labels below it, never the domain itself.
    Below(Arc<str>),
}

impl HostPattern {
    /// `None` unless `text` is a DNS name or IP address, or `*.` and a DNS name.
    pub fn new(text: &str) -> Option<Self> {
        let lower = text.to_ascii_lowercase();
        let (name, wildcard) = lower.strip_prefix("*.").map_or((lower.as_str(), false), |name| (name, true));
        let literal = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        let address = !wildcard && literal.parse::<std::net::IpAddr>().is_ok();
        let dns = !name.is_empty()
            && name.len() <= 253
            && name.split('.').all(|label| {
                (1..=63).contains(&label.len())
                    && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            });
        match (dns || address, wildcard) {
            (false, _) => None,
            (true, true) => Some(Self::Below(name.into())),
            (true, false) => Some(Self::Exact(name.into())),
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Below(domain) => write!(f, "*.{domain}"),
        }
    }
}

impl Serialize for HostPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The start of a path, matched on segment boundaries: `/api` matches `/api` and `/api/x`, never `/apix`.
/// Kept without its trailing slash; the root is the empty string.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathPrefix(Arc<str>);

impl PathPrefix {
    /// `None` unless `text` begins with `/` and has only characters a path may have.
    pub fn new(text: &str) -> Option<Self> {
        let valid = text.starts_with('/') && text.bytes().all(|b| b.is_ascii_graphic() && b != b'?' && b != b'#');
        valid.then(|| Self(text.trim_end_matches('/').into()))
    }

    pub fn matches(&self, path: &str) -> bool {
        path.strip_prefix(&*self.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) || (self.0.is_empty())
    }

    /// Longer prefixes are tried first.
    pub fn specificity(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Display for PathPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "/" } else { &self.0 })
    }
}

impl Serialize for PathPrefix {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_matches_on_segment_boundaries_only() {
        let api = PathPrefix::new("/api/").unwrap();
        assert!(api.matches("/api") && api.matches("/api/") && api.matches("/api/x"));
        assert!(!api.matches("/apix") && !api.matches("/") && !api.matches("*"));
        let root = PathPrefix::new("/").unwrap();
        assert!(root.matches("/") && root.matches("/x") && root.matches("*"));
    }

    #[test]
    fn a_service_name_has_lower_case_letters_digits_and_dashes() {
        assert!(ServiceName::new("checkbox-2").is_some());
        for bad in ["", "Checkbox", "a b", "a.b", "ä"] {
            assert!(ServiceName::new(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_host_pattern_is_a_name_an_address_or_a_wildcard() {
        assert_eq!(HostPattern::new("WWW.example.org").unwrap().to_string(), "www.example.org");
        assert_eq!(HostPattern::new("*.example.org").unwrap().to_string(), "*.example.org");
        assert!(HostPattern::new("[::1]").is_some());
        for bad in ["", "*", "*.", "a*b", "a b", "www.example.org:80", "http://x"] {
            assert!(HostPattern::new(bad).is_none(), "{bad}");
        }
    }
}
