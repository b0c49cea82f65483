//! Makes a set of keys true, and keeps them so: what the agent of a host says in the store.
//!
//! Each key has one writer. What is to stand is written at once, renewed well before its time ends, and written again
//! on each new connection, whatever the server still knew. While the store is away only the last word counts.

mod due;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::RedisError;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::backoff::Backoff;
use super::connect::{Connector, Link, Push};
use super::desk::at;
use super::parse::Raw;
use super::sentinel;
use super::store::{Lost, Store};
use crate::model::{CompatKey, RedisPlace, RedisSettings};
use due::Due;

/// Everything that one writer has a word about.
pub type Standing = BTreeMap<StandingKey, Word>;

/// Where a word is written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StandingKey {
    /// Under the prefix; nobody else writes it.
    Own(String),
    /// Of an older system, by its whole name.
    Old(CompatKey),
}

/// What is to stand in a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    Raised {
        /// Old keys hold `yes` or `1` in its place.
        text: Arc<str>,
        /// Absent: it has no end.
        lifetime: Option<Duration>,
        /// How often it is written again.
        renew: Duration,
    },
    /// Own keys are removed, old ones hold `no` or `0`.
    Clear,
}

/// Keeps `wanted` true in the store until the shutdown, and leaves it standing.
///
/// First tells by `found` what the keys of `own` hold, and writes nothing before `wanted` has something.
pub async fn standing(
    settings: RedisSettings,
    own: Vec<String>,
    found: oneshot::Sender<BTreeMap<String, String>>,
    wanted: watch::Receiver<Option<Standing>>,
    shutdown: CancellationToken,
) {
    let (switched, switches) = watch::channel(0);
    let place = settings.place.clone();
    let connector = Connector::new(settings, switches);
    let mut beside = JoinSet::new();
    if let RedisPlace::Sentinel { sentinels, master } = place {
        let switched = Arc::new(switched);
        for address in sentinels {
            let (master, switched) = (master.clone(), switched.clone());
            beside.spawn(sentinel::follow(connector.clone(), address, master, switched, shutdown.clone()));
        }
    }
    let writer =
        Writer { connector, own, found: Some(found), wanted, due: Due::default(), backoff: Backoff::new(), told: None };
    tokio::select! {
        () = shutdown.cancelled() => {}
        never = writer.run() => match never {},
    }
    beside.shutdown().await;
}

struct Writer {
    connector: Connector,
    own: Vec<String>,
    /// Until it is told.
    found: Option<oneshot::Sender<BTreeMap<String, String>>>,
    wanted: watch::Receiver<Option<Standing>>,
    due: Due,
    backoff: Backoff,
    /// Whether the log last said that the store answers.
    told: Option<bool>,
}

impl Writer {
    async fn run(mut self) -> Infallible {
        loop {
            let Err(lost) = self.session().await;
            let place = self.connector.place();
            if self.told == Some(false) {
                tracing::debug!(place, reason = %lost, "the alert store still does not answer");
            } else {
                self.told = Some(false);
                tracing::warn!(place, reason = %lost, "the alert store does not answer; alerts are written later");
            }
            tokio::time::sleep(self.backoff.next(fastrand::f64())).await;
        }
    }

    /// One connection, until it is lost.
    async fn session(&mut self) -> Result<Infallible, Lost> {
        let Link { connection, mut pushes, mut switched } = self.connector.connect(|_| false).await?;
        let store = Store::new(connection, self.connector.prefix());
        if self.connector.checks_role() {
            store.clone().check_role().await?;
        }
        self.tell_found(&store).await?;
        self.due.forget_all();
        loop {
            self.write(&store).await?;
            self.answers();
            let next = self.due.next();
            tokio::select! {
                push = pushes.next() => if matches!(push, Push::Closed) {
                    return Err(Lost::Closed);
                },
                Ok(()) = switched.changed() => return Err(Lost::Moved),
                () = changed(&mut self.wanted) => {}
                () = at(next) => if self.connector.checks_role() {
                    store.clone().check_role().await?;
                },
            }
        }
    }

    /// Tells once what the own keys hold.
    async fn tell_found(&mut self, store: &Store) -> Result<(), Lost> {
        if self.found.is_none() {
            return Ok(());
        }
        let keys = self.own.iter().map(|key| key.as_bytes().to_vec()).collect();
        let held = store.clone().read(keys).await?;
        let texts = self.own.iter().zip(held).filter_map(|(key, found)| match found.raw {
            Raw::Bytes(bytes) if !bytes.is_empty() => Some((key.clone(), String::from_utf8_lossy(&bytes).into_owned())),
            _ => None,
        });
        if let Some(found) = self.found.take() {
            // Who asked may have ended.
            let _ = found.send(texts.collect());
        }
        Ok(())
    }

    /// Writes everything that is due.
    async fn write(&mut self, store: &Store) -> Result<(), Lost> {
        let Some(wanted) = self.wanted.borrow_and_update().clone() else { return Ok(()) };
        self.due.want(&wanted);
        while let Some((key, word)) = self.due.first(Instant::now()) {
            let begun = Instant::now();
            match say(store, &key, &word).await? {
                Ok(()) => self.due.written(key, &word, begun),
                Err(error) => {
                    let new = self.due.refused(key.clone(), begun);
                    if new {
                        tracing::error!(key = key.name(), %error, "the store refuses an alert: trying again");
                    }
                    // A server that has become a replica refuses every write.
                    if self.connector.checks_role() {
                        store.clone().check_role().await?;
                    }
                }
            }
        }
        Ok(())
    }

    fn answers(&mut self) {
        self.backoff.reset();
        if self.told != Some(true) {
            self.told = Some(true);
            tracing::info!(place = self.connector.place(), "the alert store answers");
        }
    }
}

/// The outer error is the connection's, the inner one the server's word that it will not.
async fn say(store: &Store, key: &StandingKey, word: &Word) -> Result<Result<(), RedisError>, Lost> {
    let store = store.clone();
    match (key, word) {
        (StandingKey::Own(key), Word::Raised { text, lifetime, .. }) => store.state(key, Some(text), *lifetime).await,
        (StandingKey::Own(key), Word::Clear) => store.state(key, None, None).await,
        (StandingKey::Old(key), Word::Raised { lifetime, .. }) => store.state_old(key, true, *lifetime).await,
        (StandingKey::Old(key), Word::Clear) => store.state_old(key, false, None).await,
    }
}

/// Waits for another wish. Never ends when nobody has any more.
async fn changed(wanted: &mut watch::Receiver<Option<Standing>>) {
    if wanted.changed().await.is_err() {
        pending().await
    }
}

impl StandingKey {
    fn name(&self) -> &str {
        match self {
            Self::Own(key) => key,
            Self::Old(key) => key.key(),
        }
    }
}
