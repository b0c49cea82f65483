//! What a key holds, once it is understood.

use super::key::Place;
use super::parse;
use crate::model::{Alert, DrainMark, EjectMark, LeaseMark, PeerMark, Secret, WeightMark};

/// The meaning of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Held {
    Alert(Alert),
    Drain(DrainMark),
    Weights(WeightMark),
    Ejection(EjectMark),
    Peer(PeerMark),
    Lease(LeaseMark),
    AffinityKey(Secret),
    /// A key authorization (RFC 8555, 8.1).
    Challenge(String),
}

impl Held {
    /// The text that is read back as the same.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Alert(alert) => parse::encode(alert),
            Self::Drain(mark) => json(mark),
            Self::Weights(mark) => json(mark),
            Self::Ejection(mark) => json(mark),
            Self::Peer(mark) => json(mark),
            Self::Lease(mark) => json(mark),
            Self::AffinityKey(key) => key.reveal().to_owned(),
            Self::Challenge(authorization) => authorization.clone(),
        }
    }

    /// Whether this is what a key in `place` can hold.
    pub(super) fn belongs(&self, place: &Place) -> bool {
        matches!(
            (self, place),
            (Self::Alert(_), Place::Alert)
                | (Self::Drain(_), Place::Drain(_))
                | (Self::Weights(_), Place::Weights(_))
                | (Self::Ejection(_), Place::Ejection(_))
                | (Self::Peer(_), Place::Peer(_))
                | (Self::Lease(_), Place::Lease(_))
                | (Self::AffinityKey(_), Place::AffinityKey)
                | (Self::Challenge(_), Place::Challenge(_))
        )
    }
}

fn json(mark: &impl serde::Serialize) -> String {
    serde_json::to_string(mark).expect("a mark is valid JSON")
}
