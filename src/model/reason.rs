//! Why a canary is out.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// One reason for which a gate keeps its canary out. A gate holds a set of them and opens only when the set is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
    /// Live traffic: it failed requests of clients.
    Live,
    /// An operator has taken it out.
    Operator,
    /// Another balancer has seen it fail.
    Peer,
    /// Every other reason has gone, and a backend has not passed enough probes since.
    Proving,
    /// It has proved itself to its probes, and one single request of a client has not succeeded yet.
    Trial,
}

impl Reason {
    pub const ALL: [Self; 9] = [
        Self::Alert,
        Self::AlertUnread,
        Self::Probe,
        Self::Unprobed,
        Self::Live,
        Self::Operator,
        Self::Peer,
        Self::Proving,
        Self::Trial,
    ];

    /// The same word in metrics, logs, API and page.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::AlertUnread => "alert_unread",
            Self::Probe => "probe",
            Self::Unprobed => "unprobed",
            Self::Live => "live",
            Self::Operator => "operator",
            Self::Peer => "peer",
            Self::Proving => "proving",
            Self::Trial => "trial",
        }
    }
}

/// A set of reasons, in a fixed order.
pub type Reasons = BTreeSet<Reason>;
