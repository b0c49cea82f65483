//! What an alert is: an owner's word that the canary of a service must not get traffic.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;

use super::ServiceName;

/// Who raised an alert: the part after `<key>:`, `""` for the plain key, or `compat:<name>` for an old absolute name.
pub type Owner = Arc<str>;

/// Every standing alert of one service. Empty means: no alert.
pub type Owners = BTreeMap<Owner, Alert>;

/// One standing alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Alert {
    /// Why it was raised, in the raiser's words; bounded by the parser.
    pub reason: Arc<str>,
    /// Who says so, when the raiser named itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<Arc<str>>,
}

/// All that stands for a service at one moment. A reading replaces the one before it whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertReading {
    pub service: ServiceName,
    pub owners: Owners,
    /// When the first sign of the change reached this process; `coalmine_eject_seconds` starts here.
    pub seen: Instant,
}

/// Where the alerts of a service are found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AlertKeys {
    /// Key under the store's prefix; `<key>:<owner>` counts as well.
    pub key: String,
    /// Old absolute names watched beside it.
    pub compat: Vec<CompatKey>,
}

/// An alert key of an older system, outside the prefix.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CompatKey {
    /// A list whose element 0 is `yes` or `no`.
    List(String),
    /// A string `0` or `1`.
    Text(String),
}

impl CompatKey {
    /// The absolute key in the store.
    pub fn key(&self) -> &str {
        match self {
            Self::List(key) | Self::Text(key) => key,
        }
    }
}

impl std::fmt::Display for CompatKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::List(key) => write!(f, "list:{key}"),
            Self::Text(key) => write!(f, "string:{key}"),
        }
    }
}

impl Serialize for CompatKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
