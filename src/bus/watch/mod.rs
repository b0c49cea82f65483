//! Watches the store in Redis: told of each change by the server, and looking again all the same.
//!
//! - `session`: one connection. `exchange`: what is read and written on it. `lease`, `affinity`, `challenge`: what
//!   is agreed on and shared.
//! - `complaints`: values that nobody can read, and writes that the store will not take.

mod affinity;
mod challenge;
mod complaints;
mod exchange;
mod lease;
mod session;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::backoff::Backoff;
use super::board::Board;
use super::connect::Connector;
use super::desk::{Desk, Ends, Granter, Stopped};
use super::key::Shared;
use super::store::{Lost, Store};
use super::wiring::{Company, Wiring};
use super::{compat, sentinel};
use crate::metrics::{BusMetrics, LifeMetrics};
use crate::model::{RedisPlace, RedisSettings, Secret};
use crate::supervise::{Panicked, Restarts, supervise};
use challenge::Challenges;
use complaints::{Complaints, Refusals};

/// How long a stop waits for the store to take the last words.
const FAREWELL: Duration = Duration::from_millis(200);

/// Serves until the shutdown. While Redis is away the last state is held.
///
/// Meant for a current-thread runtime on a thread of its own, so that no request delays an alert.
pub async fn redis(settings: RedisSettings, wiring: Wiring, company: Company) {
    let Wiring { watched, commands, readings, marks, metrics, life, kept, shutdown } = wiring;
    let Company { name, announcements, affinity, challenges } = company;
    let shared = Shared { affinity: affinity.is_some(), challenges: challenges.is_some() };
    let mut board = Board::new(watched, name, shared);
    if let Some(kept) = kept {
        board.restore(kept, false, Instant::now(), SystemTime::now());
    }
    board.announce(announcements.borrow().clone(), Instant::now());
    let (keys, old_keys) = (watch::Sender::new(board.keys()), watch::Sender::new(board.compat_keys()));
    let (old_sender, compat) = mpsc::channel(1);

    let place = settings.place.clone();
    let (switched, switches) = watch::channel(0);
    let connector = Connector::new(settings, switches);
    let mut beside = Beside { tasks: JoinSet::new(), life: life.clone() };
    let (its, olds, ended) = (connector.clone(), old_keys.subscribe(), shutdown.clone());
    beside.run("old keys", move || compat::watch(its.clone(), olds.clone(), old_sender.clone(), ended.clone()));
    if let RedisPlace::Sentinel { sentinels, master } = place {
        let switched = Arc::new(switched);
        for address in sentinels {
            let (its, master, switched, ended) =
                (connector.clone(), master.clone(), switched.clone(), shutdown.clone());
            beside.run("sentinel", move || {
                sentinel::follow(its.clone(), address.clone(), master.clone(), switched.clone(), ended.clone())
            });
        }
    }
    let ends = Ends { commands, readings, marks, compat, announcements, keys, old_keys, shutdown };
    let mut watch = Watch {
        desk: Desk::new(board, Granter::Nobody, ends),
        connector,
        metrics,
        affinity,
        challenges: Challenges::new(challenges),
        backoff: Backoff::new(),
        complaints: Complaints::default(),
        store: None,
        announced: None,
        refused: Refusals::default(),
    };
    watch.run(Restarts::new("bus", life)).await;
    beside.tasks.shutdown().await;
}

/// What runs beside the watch, on other connections.
struct Beside {
    tasks: JoinSet<()>,
    life: LifeMetrics,
}

impl Beside {
    fn run<F: Future<Output = ()> + Send + 'static>(
        &mut self,
        task: &'static str,
        make: impl FnMut() -> F + Send + 'static,
    ) {
        self.tasks.spawn(supervise(task, self.life.clone(), make));
    }
}

struct Watch {
    desk: Desk,
    connector: Connector,
    metrics: BusMetrics,
    /// Where the shared signing key is told.
    affinity: Option<watch::Sender<Option<Secret>>>,
    challenges: Challenges,
    backoff: Backoff,
    complaints: Complaints,
    /// The connection of the running session.
    store: Option<Store>,
    /// Whether the log last said that the store answers.
    announced: Option<bool>,
    refused: Refusals,
}

/// Why a session ended.
enum Over {
    Stopped,
    Lost(Lost),
}

impl Watch {
    async fn run(&mut self, mut restarts: Restarts) {
        loop {
            // Whatever a session does with the board it does in one piece: nothing is left half done.
            match restarts.watch(Box::pin(self.round())).await {
                Ok(Ok(())) => {}
                Ok(Err(Stopped)) => return,
                Err(Panicked(pause)) => {
                    self.lost(&Lost::Panicked);
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    /// One connection, and a pause after it.
    async fn round(&mut self) -> Result<(), Stopped> {
        match self.session().await {
            Err(Over::Stopped) => {
                self.farewell().await;
                return Err(Stopped);
            }
            Err(Over::Lost(lost)) => self.lost(&lost),
        }
        let delay = self.backoff.next(fastrand::f64());
        self.desk.during(tokio::time::sleep(delay)).await
    }

    /// Says what was not said yet, and takes the announcements back: who follows them need not wait for their end.
    async fn farewell(&mut self) {
        let Some(store) = self.store.take() else { return };
        self.desk.board.announce(BTreeMap::new(), Instant::now());
        let say = async {
            for write in self.desk.board.unsent() {
                if store.clone().write(write).await.is_err() {
                    return;
                }
            }
        };
        // A store that does not answer sees them end by themselves.
        let _ = tokio::time::timeout(FAREWELL, say).await;
    }

    fn lost(&mut self, lost: &Lost) {
        self.store = None;
        self.desk.store_is_away();
        self.metrics.lost();
        let place = self.connector.place();
        if self.announced == Some(false) {
            tracing::debug!(place, reason = %lost, "the alert store still does not answer");
        } else {
            self.announced = Some(false);
            tracing::warn!(place, reason = %lost, "the alert store does not answer; the last alerts stay in force");
        }
    }
}

impl From<Stopped> for Over {
    fn from(_: Stopped) -> Self {
        Self::Stopped
    }
}

impl<E: Into<Lost>> From<E> for Over {
    fn from(lost: E) -> Self {
        Self::Lost(lost.into())
    }
}
