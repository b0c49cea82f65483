//! What operators and other balancers have said of a service, beside its alerts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use serde::{Deserialize, Serialize};

use super::{BackendId, Reason, ServiceName, Weight};

/// Everything that is marked for one service at one moment. Empty where nobody said anything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Marks {
    /// `drain:<service>:<id>`.
    pub drains: BTreeMap<BackendId, DrainMark>,
    /// `weight:<service>`.
    pub weights: Option<WeightMark>,
    /// `eject:<service>`: an operator's ejection of the canary.
    pub ejection: Option<EjectMark>,
    /// `eject:<service>:<balancer>`: ejections of the canary that other balancers have seen at first hand. Never this
    /// balancer's own.
    pub peers: BTreeMap<Arc<str>, PeerMark>,
    /// `lease:<service>`.
    pub lease: Option<LeaseMark>,
}

/// A backend gets no new requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrainMark {
    /// Requests of visitors that are kept on it still go there.
    #[serde(default)]
    pub keep_sessions: bool,
    #[serde(flatten)]
    pub note: Note,
}

/// Other weights than the file's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeightMark {
    pub stable: Weight,
    pub canary: Weight,
    #[serde(flatten)]
    pub note: Note,
}

/// The canary is out by an operator's hand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EjectMark {
    #[serde(flatten)]
    pub note: Note,
}

/// Another balancer has ejected the canary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerMark {
    pub reason: Reason,
}

/// One backend may be taken down until the lease ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseMark {
    /// Names this lease; whoever has it may renew and release it.
    pub id: Arc<str>,
    pub backend: BackendId,
    /// When it ends by itself.
    #[serde(with = "rfc3339")]
    pub until: SystemTime,
    #[serde(flatten)]
    pub note: Note,
}

/// Why, and by whom. Bounded by the parser.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Arc<str>>,
}

/// All marks of a service at one moment. A reading replaces the one before it whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarkReading {
    pub service: ServiceName,
    pub marks: Marks,
    /// When the first sign of the change reached this process.
    pub seen: Instant,
}

/// A moment as text, to the millisecond (RFC 3339).
pub(crate) mod rfc3339 {
    use std::time::SystemTime;

    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(crate) fn serialize<S: Serializer>(at: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_rfc3339_millis(*at))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SystemTime, D::Error> {
        let text = String::deserialize(deserializer)?;
        humantime::parse_rfc3339(&text).map_err(de::Error::custom)
    }
}
