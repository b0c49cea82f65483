//! What a certificate authority will ask for, and may ask any balancer (RFC 8555, 8.3).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{Board, under};
use crate::bus::held::Held;
use crate::bus::key;

/// A challenge that nobody takes back ends by itself: its balancer may have died.
const LIFETIME: Duration = Duration::from_secs(600);

impl Board {
    /// From here on the challenges of this balancer are `own`, by token, and no longer those of `before`.
    pub(in crate::bus) fn challenge(
        &mut self,
        before: &BTreeMap<String, String>,
        own: &BTreeMap<String, String>,
        seen: Instant,
    ) {
        for token in before.keys().filter(|token| !own.contains_key(*token)) {
            self.remove(key::challenge(token), seen);
        }
        for (token, authorization) in own.iter().filter(|(token, _)| key::is_token(token)) {
            self.put(key::challenge(token), Held::Challenge(authorization.clone()), Some(LIFETIME), seen);
        }
    }

    /// The challenges of all balancers, by token.
    pub(in crate::bus) fn challenges(&self) -> BTreeMap<String, String> {
        let stored = under(&self.stored, key::CHALLENGES);
        let challenges = stored.filter_map(|(key, stored)| match &stored.held {
            Held::Challenge(authorization) => {
                let token = String::from_utf8(key::rest(key, key::CHALLENGES).to_vec()).ok()?;
                Some((token, authorization.clone()))
            }
            _ => None,
        });
        challenges.collect()
    }
}
