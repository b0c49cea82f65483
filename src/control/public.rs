//! What anybody may see of the marks: everything but what lets its holder do something.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::model::{BackendId, DrainMark, EjectMark, LeaseMark, Marks, Note, PeerMark, WeightMark};

#[derive(Serialize)]
struct Public<'a> {
    drains: &'a BTreeMap<BackendId, DrainMark>,
    weights: &'a Option<WeightMark>,
    ejection: &'a Option<EjectMark>,
    peers: &'a BTreeMap<Arc<str>, PeerMark>,
    lease: Option<PublicLease<'a>>,
}

/// Without its id: whoever knows that may end the lease.
#[derive(Serialize)]
struct PublicLease<'a> {
    backend: &'a BackendId,
    #[serde(serialize_with = "super::status::rfc3339")]
    until: &'a std::time::SystemTime,
    #[serde(flatten)]
    note: &'a Note,
}

/// For `serialize_with`.
pub(super) fn marks<S: Serializer>(marks: &Marks, serializer: S) -> Result<S::Ok, S::Error> {
    let Marks { drains, weights, ejection, peers, lease } = marks;
    let lease = lease.as_ref().map(|LeaseMark { backend, until, note, .. }| PublicLease { backend, until, note });
    Public { drains, weights, ejection, peers, lease }.serialize(serializer)
}
