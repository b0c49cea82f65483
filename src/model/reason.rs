//! Why a canary is out.

use std::collections::BTreeSet;

use serde::Serialize;

/// One reason for which a gate keeps its canary out. A gate holds a set of them and opens only when the set is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// An alert of some owner stands.
    Alert,
    /// The alert has not been read since the start.
    AlertUnread,
    /// No backend of the canary passes its probes.
    Probe,
    /// No backend of the canary has been probed since the start.
    Unprobed,
    /// Every other reason has gone, and a backend has not passed enough probes since.
    Proving,
}

impl Reason {
    pub const ALL: [Self; 5] = [Self::Alert, Self::AlertUnread, Self::Probe, Self::Unprobed, Self::Proving];

    /// The same word in metrics, logs, API and page.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::AlertUnread => "alert_unread",
            Self::Probe => "probe",
            Self::Unprobed => "unprobed",
            Self::Proving => "proving",
        }
    }
}

/// A set of reasons, in a fixed order.
pub type Reasons = BTreeSet<Reason>;
