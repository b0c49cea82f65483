//! The alert keys of older systems. They lie outside the prefix, so that a connection of its own watches them, key by
//! key.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::time::{Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::backoff::Backoff;
use super::connect::{Connector, Push};
use super::desk::CompatReading;
use super::store::{FoundOld, Lost, Store};
use crate::model::{Alert, CompatKey};

const POLL: Duration = Duration::from_millis(500);

/// Sends what stands in `keys` after the first read and after each change, until `shutdown`.
pub(super) async fn watch(
    connector: Connector,
    keys: watch::Receiver<Vec<CompatKey>>,
    readings: mpsc::Sender<CompatReading>,
    shutdown: CancellationToken,
) {
    let (old, told) = (OldAlerts::default(), None);
    let mut watch = CompatWatch { connector, keys, readings, old, told };
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = watch.run() => {}
    }
}

struct CompatWatch {
    connector: Connector,
    keys: watch::Receiver<Vec<CompatKey>>,
    readings: mpsc::Sender<CompatReading>,
    old: OldAlerts,
    /// What was last sent: which keys, and what stood in them.
    told: Option<(Vec<CompatKey>, BTreeMap<CompatKey, Alert>)>,
}

impl CompatWatch {
    async fn run(&mut self) {
        let mut backoff = Backoff::new();
        loop {
            let keys = self.keys.borrow_and_update().clone();
            if keys.is_empty() {
                // Whoever shows the keys has gone: so will this.
                if self.keys.changed().await.is_err() {
                    return;
                }
                continue;
            }
            self.old.keep_only(&keys);
            let Err(lost) = self.session(&keys, &mut backoff).await;
            tracing::debug!(place = self.connector.place(), error = %lost, "old alert keys are not watched");
            tokio::time::sleep(backoff.next(fastrand::f64())).await;
        }
    }

    /// One connection, until it is lost.
    async fn session(&mut self, keys: &[CompatKey], backoff: &mut Backoff) -> Result<Infallible, Lost> {
        let names: BTreeSet<Vec<u8>> = keys.iter().map(|key| key.key().as_bytes().to_vec()).collect();
        let mut link = self.connector.connect(move |key| names.contains(key)).await?;
        let store = Store::new(link.connection, "");
        if self.connector.checks_role() {
            store.clone().check_role().await?;
        }
        store.clone().track_reads().await?;
        let mut poll = tokio::time::interval(POLL);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        poll.tick().await;
        self.read(&store, keys, false, Instant::now(), &mut poll).await?;
        backoff.reset();
        loop {
            tokio::select! {
                push = link.pushes.next() => match push {
                    Push::Changed(_, seen) | Push::Everything(seen) => {
                        self.read(&store, keys, false, seen, &mut poll).await?;
                    }
                    Push::Closed => return Err(Lost::Closed),
                },
                _ = poll.tick() => {
                    if self.connector.checks_role() {
                        store.clone().check_role().await?;
                    }
                    self.read(&store, keys, true, Instant::now(), &mut poll).await?;
                }
                Ok(()) = link.switched.changed() => return Err(Lost::Moved),
                Ok(()) = self.keys.changed() => {
                    self.keys.mark_changed();
                    return Err(Lost::Rewatched);
                }
            }
        }
    }

    /// Reads all keys, which also asks to be told of their next change.
    async fn read(
        &mut self,
        store: &Store,
        keys: &[CompatKey],
        polled: bool,
        seen: Instant,
        poll: &mut Interval,
    ) -> Result<(), Lost> {
        let found = store.clone().read_old(keys.to_vec()).await?;
        for (key, found) in keys.iter().zip(found) {
            if self.old.take(key, found, polled) {
                // The gap that an old system leaves gets a whole interval to close.
                poll.reset();
            }
        }
        let now = (keys.to_vec(), self.old.standing.clone());
        if self.told.as_ref() != Some(&now) {
            self.told = Some(now.clone());
            let (keys, standing) = now;
            self.readings.send(CompatReading { keys, standing, seen }).await.map_err(|_| Lost::Closed)?;
        }
        Ok(())
    }
}

/// What stands in the old keys. Pure.
///
/// Old systems change a list by a pop and then a push. The gap between must not read as "no alert": a list that is gone
/// while its alert stood keeps the alert until it is still gone at the safety poll after.
#[derive(Default)]
struct OldAlerts {
    standing: BTreeMap<CompatKey, Alert>,
    doubted: BTreeSet<CompatKey>,
}

impl OldAlerts {
    /// Forgets every other key.
    fn keep_only(&mut self, keys: &[CompatKey]) {
        self.standing.retain(|key, _| keys.contains(key));
        self.doubted.retain(|key| keys.contains(key));
    }

    /// Takes in what a key holds. `true`: the key just went and its alert is held until the next poll.
    fn take(&mut self, key: &CompatKey, found: FoundOld, polled: bool) -> bool {
        let gap = matches!((key, &found), (CompatKey::List(_), FoundOld::Absent)) && self.standing.contains_key(key);
        if gap {
            let first = self.doubted.insert(key.clone());
            if first || !polled {
                return first;
            }
        }
        self.doubted.remove(key);
        match found {
            FoundOld::Alert(alert) => self.standing.insert(key.clone(), alert),
            FoundOld::Absent | FoundOld::Clear => self.standing.remove(key),
        };
        false
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    fn yes() -> FoundOld {
        FoundOld::Alert(parse::bounded("yes", None))
    }

    #[test]
    fn a_list_that_is_gone_between_pop_and_push_keeps_its_alert() {
        let (mut old, key) = (OldAlerts::default(), CompatKey::List("alertValThreshold".to_owned()));
        old.take(&key, yes(), false);
        assert!(old.take(&key, FoundOld::Absent, false), "the poll starts anew");
        assert!(!old.take(&key, FoundOld::Absent, false));
        assert!(old.standing.contains_key(&key));
        old.take(&key, yes(), false);
        old.take(&key, FoundOld::Absent, true);
        assert!(old.standing.contains_key(&key), "the gap was first seen by this poll");
        old.take(&key, FoundOld::Clear, false);
        assert!(old.standing.is_empty());
    }

    #[test]
    fn a_list_that_stays_away_until_the_next_poll_holds_no_alert() {
        let (mut old, key) = (OldAlerts::default(), CompatKey::List("alertValThreshold".to_owned()));
        old.take(&key, yes(), false);
        old.take(&key, FoundOld::Absent, false);
        assert!(!old.take(&key, FoundOld::Absent, true));
        assert!(old.standing.is_empty() && old.doubted.is_empty());
    }

    #[test]
    fn a_string_that_is_gone_is_no_alert_at_once() {
        let (mut old, key) = (OldAlerts::default(), CompatKey::Text("alert".to_owned()));
        old.take(&key, yes(), false);
        old.take(&key, FoundOld::Absent, false);
        assert!(old.standing.is_empty());
    }
}
