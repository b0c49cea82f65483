//! What a successor must know of the decisions that were taken here. Text that another version can read.
//!
//! It holds the keys that sign cookies as they are, and so goes from process to process only: never to a disk, never to
//! the log.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::fleet::Rollback;
use crate::model::{BackendId, Reason, Secret, ServiceName, Track};

/// The decisions of one controller. What the alert bus says is not in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Keepsake {
    /// By name.
    services: BTreeMap<String, KeptService>,
    /// The first signs, all of them verify.
    #[serde(with = "revealed")]
    pub(super) keys: Vec<Secret>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct KeptService {
    /// `None`: it has no canary.
    pub(super) gate: Option<KeptGate>,
    /// For how long the share of the canary has grown, in milliseconds, while it does.
    pub(super) grown: Option<u64>,
    /// Those of which there is something to say.
    pub(super) members: Vec<KeptMember>,
    pub(super) turns: KeptTurns,
    pub(super) rollback: Rollback,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct KeptGate {
    /// Why the canary is out, as [`Reason::as_str`] says it.
    pub(super) reasons: Vec<String>,
    /// It was ejected and has not been admitted since.
    pub(super) returning: bool,
    pub(super) penalty: KeptPenalty,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct KeptPenalty {
    /// Ejections that are not forgotten.
    pub(super) count: u32,
    /// When the one that stands ends, in milliseconds since 1970.
    pub(super) until: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeptMember {
    pub(super) track: Track,
    pub(super) id: BackendId,
    /// `host:port`: at another one is another server.
    pub(super) address: String,
    /// Its probes failed.
    #[serde(default)]
    pub(super) down: bool,
    /// Live traffic ejected it, and it has not passed a probe since.
    #[serde(default)]
    pub(super) accused: bool,
    /// A lease took it down, and it has not passed a probe since that ended.
    #[serde(default)]
    pub(super) unproved: bool,
    #[serde(default)]
    pub(super) penalty: KeptPenalty,
}

/// How far a service has come in its schedules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct KeptTurns {
    pub(super) ticket: u64,
    pub(super) stable: u64,
    pub(super) canary: u64,
}

impl Keepsake {
    pub(super) fn new(services: impl Iterator<Item = (ServiceName, KeptService)>, keys: Vec<Secret>) -> Self {
        Self { services: services.map(|(name, service)| (name.as_str().to_owned(), service)).collect(), keys }
    }

    pub(super) fn service(&self, name: &ServiceName) -> Option<&KeptService> {
        self.services.get(name.as_str())
    }
}

impl KeptGate {
    /// Those of its reasons that are known here.
    pub(super) fn reasons(&self) -> impl Iterator<Item = Reason> {
        Reason::ALL.into_iter().filter(|reason| self.reasons.iter().any(|kept| kept == reason.as_str()))
    }
}

pub(super) fn since_1970(at: SystemTime) -> u64 {
    u64::try_from(at.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

/// From `now` until that many milliseconds after 1970.
pub(super) fn left_until(until: u64, now: SystemTime) -> Duration {
    Duration::from_millis(until.saturating_sub(since_1970(now)))
}

/// Secrets as they are.
mod revealed {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::model::Secret;

    pub(super) fn serialize<S: Serializer>(keys: &[Secret], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(keys.iter().map(Secret::reveal))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Secret>, D::Error> {
        Ok(Vec::<String>::deserialize(deserializer)?.into_iter().map(Secret::new).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_back_as_it_was_and_shows_no_key() {
        let member = KeptMember {
            track: Track::Canary,
            id: BackendId::new("c"),
            address: "c:80".to_owned(),
            down: true,
            accused: true,
            unproved: true,
            penalty: KeptPenalty { count: 2, until: Some(7) },
        };
        let gate =
            KeptGate { reasons: vec!["live".to_owned(), "new".to_owned()], returning: true, ..Default::default() };
        let service = KeptService { gate: Some(gate), members: vec![member], ..KeptService::default() };
        let web = ServiceName::new("web").unwrap();
        let keys = vec![Secret::new("hunter2".to_owned())];
        let keepsake = Keepsake::new([(web.clone(), service)].into_iter(), keys);
        assert!(!format!("{keepsake:?}").contains("hunter2"));
        let text = serde_json::to_string(&keepsake).unwrap();
        let read: Keepsake = serde_json::from_str(&text).unwrap();
        assert_eq!(read, keepsake);
        let reasons: Vec<_> = read.service(&web).unwrap().gate.as_ref().unwrap().reasons().collect();
        assert_eq!(reasons, [Reason::Live], "what is not known here is left out");
        assert_eq!(serde_json::from_str::<Keepsake>("{}").unwrap(), Keepsake::default());
    }
}
