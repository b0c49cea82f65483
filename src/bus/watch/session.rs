//! One connection, from the attempt to make it until it is lost.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::future::{Future, pending};
use std::pin::Pin;
use std::time::{Duration, Instant};

use tokio::time::{Interval, MissedTickBehavior};

use super::{Over, Watch};
use crate::bus::connect::{Link, Push};
use crate::bus::desk::{Granter, at};
use crate::bus::key::Key;
use crate::bus::store::{Lost, Store};

/// How often everything known is read whatever was pushed: heals a lost push and finds a dead server.
const POLL: Duration = Duration::from_millis(500);
/// How often unknown owners are looked for.
const SCAN: Duration = Duration::from_secs(30);
/// How often announcements are renewed: three times within their life.
const RENEW: Duration = Duration::from_millis(1500);

/// What a session waits for.
enum Wake {
    Push(Push),
    Expired,
    Poll,
    Renew,
    Challenged,
    Scanned(Result<Vec<Key>, Lost>),
    Moved,
}

/// A search for keys that are not known.
struct Scan {
    begun: Instant,
    /// Of the services that are looked for.
    generation: u64,
    keys: Pin<Box<dyn Future<Output = Result<Vec<Key>, Lost>> + Send>>,
}

impl Watch {
    pub(super) async fn session(&mut self) -> Result<Infallible, Over> {
        let (keys, prefix) = (self.desk.keys(), self.connector.prefix().as_bytes().to_vec());
        let wanted =
            move |key: &[u8]| key.strip_prefix(prefix.as_slice()).is_some_and(|key| keys.borrow().place(key).is_some());
        let Link { connection, mut pushes, mut switched } = self.desk.during(self.connector.connect(wanted)).await??;
        let store = Store::new(connection, self.connector.prefix());
        self.check_role(&store).await?;
        // Tracking first: a change between the two is told, one before is read.
        self.desk.during(store.clone().track_prefix()).await??;
        self.drop_outdated(&store).await?;
        self.desk.board.renew_announcements(Instant::now());
        self.say_challenges();
        self.write(&store).await?;
        self.read_known(&store, Instant::now()).await?;
        self.store = Some(store.clone());
        self.desk.granter = Granter::Store;

        let mut scan = Some(self.scan(&store));
        let mut next_scan = Instant::now() + SCAN;
        let mut whole = false;
        let (mut poll, mut renew) = (every(POLL), every(RENEW));
        loop {
            self.write(&store).await?;
            self.answer_leases(&store).await?;
            if self.desk.take_unread() {
                self.read_known(&store, Instant::now()).await?;
                scan = Some(self.scan(&store));
            }
            let expiry = self.desk.board.next_expiry();
            let challenges = &mut self.challenges;
            let wake = async {
                // Not biased: a flood of pushes must not keep the poll from its turn.
                tokio::select! {
                    push = pushes.next() => Wake::Push(push),
                    Ok(()) = switched.changed() => Wake::Moved,
                    () = at(expiry) => Wake::Expired,
                    _ = poll.tick() => Wake::Poll,
                    _ = renew.tick() => Wake::Renew,
                    () = challenges.changed() => Wake::Challenged,
                    keys = scanned(&mut scan) => Wake::Scanned(keys),
                }
            };
            match self.desk.until_due(wake).await? {
                None => {}
                Some(Wake::Push(Push::Changed(keys, seen))) => {
                    let keys: BTreeSet<Key> = keys.iter().filter_map(|key| self.own(key)).collect();
                    self.read(&store, keys.into_iter().collect(), seen).await?;
                    self.agree_on_affinity_key(&store).await?;
                }
                Some(Wake::Push(Push::Everything(seen))) => {
                    self.read_known(&store, seen).await?;
                    scan = Some(self.scan(&store));
                }
                Some(Wake::Push(Push::Closed)) => return Err(Lost::Closed.into()),
                Some(Wake::Moved) => return Err(Lost::Moved.into()),
                Some(Wake::Expired) => {
                    let now = Instant::now();
                    self.read(&store, self.desk.board.expired(now), now).await?;
                }
                Some(Wake::Challenged) => self.say_challenges(),
                Some(Wake::Renew) => self.desk.board.renew_announcements(Instant::now()),
                Some(Wake::Poll) => {
                    let now = Instant::now();
                    self.check_role(&store).await?;
                    self.read_known(&store, now).await?;
                    self.desk.board.retry();
                    if whole {
                        self.metrics.read();
                    }
                    if scan.is_none() && next_scan <= now {
                        scan = Some(self.scan(&store));
                    }
                }
                Some(Wake::Scanned(keys)) => {
                    let Some(Scan { begun, generation, .. }) = scan.take() else { continue };
                    self.read(&store, keys?, begun).await?;
                    next_scan = Instant::now() + SCAN;
                    whole = true;
                    self.whole(generation, begun);
                }
            }
        }
    }

    fn scan(&self, store: &Store) -> Scan {
        let board = &self.desk.board;
        let keys = Box::pin(store.clone().scan(board.keys().roots()));
        Scan { begun: Instant::now(), generation: board.generation(), keys }
    }

    /// Everything has been read.
    fn whole(&mut self, generation: u64, seen: Instant) {
        self.desk.board.store_was_read(generation, seen);
        self.metrics.read();
        self.backoff.reset();
        if self.announced != Some(true) {
            self.announced = Some(true);
            tracing::info!(place = self.connector.place(), "the alert store answers");
        }
    }

    async fn check_role(&mut self, store: &Store) -> Result<(), Over> {
        if self.connector.checks_role() {
            self.desk.during(store.clone().check_role()).await??;
        }
        Ok(())
    }

    /// A key of ours without the prefix.
    fn own(&self, key: &[u8]) -> Option<Key> {
        key.strip_prefix(self.connector.prefix().as_bytes()).map(<[u8]>::to_vec)
    }
}

/// A tick that is first heard after one period.
fn every(period: Duration) -> Interval {
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + period, period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

async fn scanned(scan: &mut Option<Scan>) -> Result<Vec<Key>, Lost> {
    match scan {
        Some(scan) => scan.keys.as_mut().await,
        None => pending().await,
    }
}
