//! What this balancer tells the others of its canaries, and keeps telling.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::Board;
use crate::bus::held::Held;
use crate::bus::key;
use crate::model::{PeerMark, ServiceName};

/// An announcement that is not renewed ends by itself: its balancer may have died.
const LIFETIME: Duration = Duration::from_secs(5);

impl Board {
    /// From here on this is what is told, and nothing else.
    pub(in crate::bus) fn announce(&mut self, announced: BTreeMap<ServiceName, PeerMark>, seen: Instant) {
        let before = std::mem::replace(&mut self.announced, announced);
        for service in
            before.keys().filter(|service| !self.announced.contains_key(service)).cloned().collect::<Vec<_>>()
        {
            let key = key::peer(&service, &self.name);
            if self.keys.place(&key).is_some() {
                self.remove(key, seen);
            }
        }
        self.state(seen, |board, service, mark| before.get(service) != Some(mark) || board.is_unsaid(service));
    }

    /// Tells everything again, so that it lives on.
    pub(in crate::bus) fn renew_announcements(&mut self, seen: Instant) {
        self.state(seen, |_, _, _| true);
    }

    /// Tells again what is neither in the store nor on its way: somebody removed it.
    pub(in crate::bus) fn restate_announcements(&mut self, seen: Instant) {
        self.state(seen, |board, service, _| board.is_unsaid(service));
    }

    fn state(&mut self, seen: Instant, which: impl Fn(&Self, &ServiceName, &PeerMark) -> bool) {
        let chosen = |(service, mark): &(&ServiceName, &PeerMark)| which(self, service, mark);
        let due: Vec<_> = self.announced.iter().filter(chosen).map(|(s, mark)| (s.clone(), mark.clone())).collect();
        for (service, mark) in due {
            let key = key::peer(&service, &self.name);
            if self.keys.place(&key).is_some() {
                self.put(key, Held::Peer(mark), Some(LIFETIME), seen);
            }
        }
    }

    fn is_unsaid(&self, service: &ServiceName) -> bool {
        let key = key::peer(service, &self.name);
        !self.stored.contains_key(&key) && !self.pending.contains_key(&key)
    }
}
