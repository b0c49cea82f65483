//! What the authority finds when it asks, here and on the other balancers.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::watch;

use crate::table::Challenges;

/// How long the other balancers get to hear of a challenge before the authority may ask them.
const SHARE: Duration = Duration::from_secs(1);

pub(super) struct Answers {
    challenges: Challenges,
    /// `None`: there are no other balancers.
    told: Option<watch::Sender<BTreeMap<String, String>>>,
}

impl Answers {
    pub(super) fn new(challenges: Challenges, told: Option<watch::Sender<BTreeMap<String, String>>>) -> Self {
        Self { challenges, told }
    }

    /// Gives `answers` by token from here on, and no others; returns when all balancers do. Cancel safe.
    pub(super) async fn publish(&self, answers: BTreeMap<String, String>) {
        self.challenges.set_own(answers.clone());
        if let Some(told) = &self.told {
            told.send_replace(answers);
            tokio::time::sleep(SHARE).await;
        }
    }

    pub(super) fn withdraw(&self) {
        self.challenges.set_own(BTreeMap::new());
        if let Some(told) = &self.told {
            told.send_replace(BTreeMap::new());
        }
    }
}
