//! Watches the alerts in Redis: told of each change by the server, and looking again all the same.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::alerts::{Alerts, Change, Key, Watched, is_under};
use super::backoff::Backoff;
use super::command::Commands;
use super::connect::{Connector, Link, Push};
use super::desk::{Desk, Stopped};
use super::store::{Lost, Store};
use super::{compat, sentinel};
use crate::metrics::BusMetrics;
use crate::model::{AlertReading, RedisPlace, RedisSettings};

/// How often everything known is read whatever was pushed: heals a lost push and finds a dead server.
const POLL: Duration = Duration::from_millis(500);
/// How often unknown owners are looked for.
const SCAN: Duration = Duration::from_secs(30);

/// Serves until `shutdown`. `readings` gets one reading per service after everything was read for the first time and
/// one at each change after, never twice the same. While Redis is away the last state is held.
///
/// Meant for a current-thread runtime on a thread of its own, so that no request delays an alert.
pub async fn redis(
    settings: RedisSettings,
    watched: Vec<Watched>,
    commands: Commands,
    readings: mpsc::Sender<AlertReading>,
    metrics: BusMetrics,
    shutdown: CancellationToken,
) {
    let place = settings.place.clone();
    let (switched, switches) = watch::channel(0);
    let switched = Arc::new(switched);
    let connector = Connector::new(settings, switches);
    let mut tasks = JoinSet::new();
    if let RedisPlace::Sentinel { sentinels, master } = place {
        for address in sentinels {
            let (connector, master, switched) = (connector.clone(), master.clone(), switched.clone());
            tasks.spawn(sentinel::follow(connector, address, master, switched, shutdown.clone()));
        }
    }
    let alerts = Alerts::new(watched);
    let (old_sender, old_readings) = mpsc::channel(1);
    let old_keys = alerts.compat_keys();
    if !old_keys.is_empty() {
        tasks.spawn(compat::watch(connector.clone(), old_keys, old_sender, shutdown.clone()));
    }
    let desk = Desk::new(alerts, commands, readings, old_readings, shutdown);
    let mut watch = Watch { desk, connector, metrics, backoff: Backoff::new(), announced: None, refused: false };
    watch.run().await;
    tasks.shutdown().await;
}

struct Watch {
    desk: Desk,
    connector: Connector,
    metrics: BusMetrics,
    backoff: Backoff,
    /// Whether the log last said that the store answers.
    announced: Option<bool>,
    /// Whether the log last said that the store refuses a write.
    refused: bool,
}

/// Why a session ended.
enum Over {
    Stopped,
    Lost(Lost),
}

/// What a session waits for.
enum Wake {
    Push(Push),
    Expired,
    Poll,
    Scanned(Result<Vec<Key>, Lost>),
    Moved,
}

type Scan = Pin<Box<dyn Future<Output = Result<Vec<Key>, Lost>> + Send>>;

impl Watch {
    async fn run(&mut self) {
        loop {
            let Err(over) = Box::pin(self.session()).await;
            match over {
                Over::Stopped => return,
                Over::Lost(lost) => self.lost(&lost),
            }
            let delay = self.backoff.next(fastrand::f64());
            if self.desk.during(tokio::time::sleep(delay)).await.is_err() {
                return;
            }
        }
    }

    /// One connection, from the attempt to make it until it is lost.
    async fn session(&mut self) -> Result<Infallible, Over> {
        let wanted: Vec<Key> = self.desk.alerts.roots().iter().map(|root| self.full(root)).collect();
        let wanted = move |key: &[u8]| wanted.iter().any(|root| is_under(key, root));
        let Link { connection, mut pushes, mut switched } = self.desk.during(self.connector.connect(wanted)).await??;
        let store = Store::new(connection, self.connector.prefix());
        self.check_role(&store).await?;
        // Tracking first: a change between the two is told, one before is read.
        self.desk.during(store.clone().track_prefix()).await??;
        self.drop_outdated(&store).await?;
        self.write(&store).await?;
        self.read(&store, self.desk.alerts.known_keys(), Instant::now()).await?;

        let mut scan = Some((Instant::now(), self.scan(&store)));
        let mut next_scan = Instant::now() + SCAN;
        let mut whole = false;
        let mut poll = tokio::time::interval(POLL);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        poll.tick().await;
        loop {
            self.write(&store).await?;
            let expiry = self.desk.alerts.next_expiry();
            let wake = async {
                // Not biased: a flood of pushes must not keep the poll from its turn.
                tokio::select! {
                    push = pushes.next() => Wake::Push(push),
                    Ok(()) = switched.changed() => Wake::Moved,
                    () = at(expiry) => Wake::Expired,
                    _ = poll.tick() => Wake::Poll,
                    keys = scanned(&mut scan) => Wake::Scanned(keys),
                }
            };
            match self.desk.until_unsent(wake).await? {
                None => {}
                Some(Wake::Push(Push::Changed(keys, seen))) => {
                    let keys: BTreeSet<Key> = keys.iter().filter_map(|key| self.own(key)).collect();
                    self.read(&store, keys.into_iter().collect(), seen).await?;
                }
                Some(Wake::Push(Push::Everything(seen))) => {
                    self.read(&store, self.desk.alerts.known_keys(), seen).await?;
                    scan = Some((Instant::now(), self.scan(&store)));
                }
                Some(Wake::Push(Push::Closed)) => return Err(Lost::Closed.into()),
                Some(Wake::Moved) => return Err(Lost::Moved.into()),
                Some(Wake::Expired) => {
                    let now = Instant::now();
                    self.read(&store, self.desk.alerts.expired(now), now).await?;
                }
                Some(Wake::Poll) => {
                    let now = Instant::now();
                    self.check_role(&store).await?;
                    self.read(&store, self.desk.alerts.known_keys(), now).await?;
                    self.desk.alerts.retry();
                    if whole {
                        self.metrics.read();
                    }
                    if scan.is_none() && next_scan <= now {
                        scan = Some((now, self.scan(&store)));
                    }
                }
                Some(Wake::Scanned(keys)) => {
                    let begun = scan.take().map_or_else(Instant::now, |(begun, _)| begun);
                    self.read(&store, keys?, begun).await?;
                    next_scan = Instant::now() + SCAN;
                    whole = true;
                    self.whole(begun);
                }
            }
        }
    }

    /// Reads keys and takes in what they hold.
    async fn read(&mut self, store: &Store, keys: Vec<Key>, seen: Instant) -> Result<(), Over> {
        for found in self.desk.during(store.clone().read(keys)).await?? {
            self.desk.alerts.apply(found.key, found.alert, found.expires, seen);
        }
        Ok(())
    }

    /// Sends the local commands that wait.
    async fn write(&mut self, store: &Store) -> Result<(), Over> {
        for write in self.desk.alerts.unsent() {
            let result = self.desk.during(store.clone().write(write.clone())).await??;
            match result {
                Ok(()) => {
                    self.refused = false;
                    self.desk.alerts.settle(&write, Instant::now());
                }
                Err(error) => {
                    if !std::mem::replace(&mut self.refused, true) {
                        let key = String::from_utf8_lossy(&write.key).into_owned();
                        tracing::warn!(key, %error, "the alert store refused a write; it is tried again");
                    }
                    self.desk.alerts.refuse(&write);
                }
            }
        }
        Ok(())
    }

    /// Gives up removing alerts that were raised after somebody here cleared what stood before.
    async fn drop_outdated(&mut self, store: &Store) -> Result<(), Over> {
        self.desk.alerts.retry();
        let mut clears = BTreeMap::new();
        for write in self.desk.alerts.unsent() {
            if matches!(write.change, Change::Clear { .. }) {
                clears.insert(write.key.clone(), write);
            }
        }
        let keys = clears.keys().cloned().collect();
        for found in self.desk.during(store.clone().read(keys)).await?? {
            let Some(write) = clears.get(&found.key) else { continue };
            let Change::Clear { known } = &write.change else { continue };
            let outdated = found.alert.as_ref().is_some_and(|alert| !known.contains(alert));
            let seen = Instant::now();
            self.desk.alerts.apply(found.key, found.alert, found.expires, seen);
            if outdated {
                self.desk.alerts.forget(write, seen);
            }
        }
        Ok(())
    }

    async fn check_role(&mut self, store: &Store) -> Result<(), Over> {
        if self.connector.checks_role() {
            self.desk.during(store.clone().check_role()).await??;
        }
        Ok(())
    }

    fn scan(&self, store: &Store) -> Scan {
        Box::pin(store.clone().scan(self.desk.alerts.roots()))
    }

    /// Everything has been read.
    fn whole(&mut self, seen: Instant) {
        self.desk.alerts.store_was_read(seen);
        self.metrics.read();
        self.backoff.reset();
        if self.announced != Some(true) {
            self.announced = Some(true);
            tracing::info!(place = self.connector.place(), "the alert store answers");
        }
    }

    fn lost(&mut self, lost: &Lost) {
        self.metrics.lost();
        let place = self.connector.place();
        if self.announced == Some(false) {
            tracing::debug!(place, reason = %lost, "the alert store still does not answer");
        } else {
            self.announced = Some(false);
            tracing::warn!(place, reason = %lost, "the alert store does not answer; the last alerts stay in force");
        }
    }

    fn full(&self, key: &[u8]) -> Key {
        [self.connector.prefix().as_bytes(), key].concat()
    }

    /// A key of ours without the prefix.
    fn own(&self, key: &[u8]) -> Option<Key> {
        key.strip_prefix(self.connector.prefix().as_bytes()).map(<[u8]>::to_vec)
    }
}

async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => pending().await,
    }
}

async fn scanned(scan: &mut Option<(Instant, Scan)>) -> Result<Vec<Key>, Lost> {
    match scan {
        Some((_, scan)) => scan.await,
        None => pending().await,
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
