//! Certificates from an authority: how what orders them is wired to what shows them.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{Mutex, watch};

use super::certificates::Certificates;
use crate::acme::{Keeper, Ways};
use crate::bus::ChallengeBoard;
use crate::metrics::Metrics;
use crate::model::Settings;
use crate::supervise::supervise;
use crate::table::Challenges;
use crate::tls::Source;

/// The ordering of certificates, and what others need to answer the authority.
pub(super) struct Authority {
    pub(super) challenges: Challenges,
    /// For the bus, where there is one that others are on.
    pub(super) board: Option<ChallengeBoard>,
    keeper: Keeper,
    heard: Option<watch::Receiver<BTreeMap<String, String>>>,
}

impl Authority {
    /// Shows the certificates that are kept; `None`: none are to be ordered. Blocks on the disk, where they are small.
    pub(super) fn new(settings: &Settings, certificates: &Certificates, metrics: &Metrics) -> Option<Self> {
        let acme = settings.tls.acme.clone()?;
        let challenges = Challenges::default();
        let (told, own) = watch::channel(BTreeMap::new());
        let (all, heard) = watch::channel(BTreeMap::new());
        let shared = settings.redis.is_some();
        let certificates = certificates.clone();
        let ways = Ways {
            show: Box::new(move |shown| _ = certificates.put(Source::Authority, shown)),
            challenges: challenges.clone(),
            told: shared.then_some(told),
            metrics: metrics.acme.clone(),
        };
        Some(Self {
            challenges,
            board: shared.then_some(ChallengeBoard { own, all }),
            keeper: Keeper::new(acme, ways),
            heard: shared.then_some(heard),
        })
    }

    /// Orders and renews for ever. Cancel safe.
    pub(super) fn run(self, metrics: &Metrics) -> impl Future<Output = ()> + Send + use<> {
        let Self { challenges, keeper, heard, .. } = self;
        let keeper = Arc::new(Mutex::new(keeper));
        let rounds = supervise("acme", metrics.life.clone(), move || {
            let keeper = keeper.clone();
            async move { keeper.lock().await.run().await }
        });
        let hearing = async move {
            let Some(mut heard) = heard else { return };
            while heard.changed().await.is_ok() {
                challenges.set_shared(heard.borrow_and_update().clone());
            }
        };
        async move { _ = tokio::join!(rounds, hearing) }
    }
}
