//! The challenges of a certificate authority, which may ask any balancer for those of another.

use std::collections::BTreeMap;
use std::future::pending;
use std::time::Instant;

use super::Watch;
use crate::bus::wiring::ChallengeBoard;

/// What this balancer has said, and whom it tells what all say.
pub(super) struct Challenges {
    ends: Option<ChallengeBoard>,
    said: BTreeMap<String, String>,
}

impl Challenges {
    pub(super) fn new(ends: Option<ChallengeBoard>) -> Self {
        Self { ends, said: BTreeMap::new() }
    }

    /// Waits until this balancer's own are others. Cancel safe.
    pub(super) async fn changed(&mut self) {
        if let Some(ends) = &mut self.ends
            && ends.own.changed().await.is_ok()
        {
            return;
        }
        pending().await
    }
}

impl Watch {
    /// Says what the challenges of this balancer are by now.
    pub(super) fn say_challenges(&mut self) {
        let Challenges { ends: Some(ends), said } = &mut self.challenges else { return };
        let own = ends.own.borrow_and_update().clone();
        self.desk.board.challenge(said, &own, Instant::now());
        *said = own;
    }

    /// Tells this balancer which challenges there are.
    pub(super) fn tell_challenges(&self) {
        let Some(ends) = &self.challenges.ends else { return };
        let all = self.desk.board.challenges();
        ends.all.send_if_modified(|told| {
            let news = *told != all;
            if news {
                *told = all;
            }
            news
        });
    }
}
