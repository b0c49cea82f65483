//! Against a real Redis. Whoever else writes does so over connections of its own.

mod alerts;
mod challenges;
mod company;
mod kept;
mod marks;
mod rewatch;
mod server;
mod standing;

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{BusHandle, ChallengeBoard, Company, Kept, Watched, Wiring, channel};
use crate::metrics::Metrics;
use crate::model::{
    Alert, AlertKeys, AlertReading, CompatKey, MarkReading, Owners, PeerMark, RedisPlace, RedisSettings, Secret,
    ServiceName,
};
use server::{Server, eventually};

/// Within this a change is noticed while the bus is connected, unless the machine is busy: for what must come in time,
/// not for what must not come.
const NOTICED: Duration = Duration::from_secs(10);
/// For everything that takes a start, a timeout or a reconnect.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running bus with the services `app` (key `alert:app`) and `other` (`alert:other`), of which `app` is looked at.
struct Bus {
    handle: BusHandle,
    readings: mpsc::Receiver<AlertReading>,
    marks: mpsc::Receiver<MarkReading>,
    announce: watch::Sender<BTreeMap<ServiceName, PeerMark>>,
    affinity: watch::Receiver<Option<Secret>>,
    challenge: watch::Sender<BTreeMap<String, String>>,
    challenges: watch::Receiver<BTreeMap<String, String>>,
    metrics: Metrics,
    shutdown: CancellationToken,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// How a bus of a test differs from others.
struct Options {
    name: &'static str,
    compat: Vec<CompatKey>,
    affinity: bool,
    kept: Option<Kept>,
}

impl Default for Options {
    fn default() -> Self {
        Self { name: "lb1", compat: Vec::new(), affinity: false, kept: None }
    }
}

impl Bus {
    fn on(server: &Server) -> Self {
        Self::named(server, "lb1")
    }

    fn named(server: &Server, name: &'static str) -> Self {
        Self::start(Some(settings(place(server))), Options { name, ..Options::default() })
    }

    fn in_memory(kept: Option<Kept>) -> Self {
        Self::start(None, Options { kept, ..Options::default() })
    }

    fn start(settings: Option<RedisSettings>, options: Options) -> Self {
        let Options { name, compat, affinity: asks, kept } = options;
        let watched = vec![watched("app", compat), watched("other", vec![])];
        let (handle, commands) = channel();
        let (sender, readings) = mpsc::channel(16);
        let (mark_sender, marks) = mpsc::channel(16);
        let (announce, announcements) = watch::channel(BTreeMap::new());
        let (tell, affinity) = watch::channel(None);
        let (metrics, shutdown) = (Metrics::new(), CancellationToken::new());
        let wiring = Wiring {
            watched,
            commands,
            readings: sender,
            marks: mark_sender,
            metrics: metrics.bus.clone(),
            life: metrics.life.clone(),
            kept,
            shutdown: shutdown.clone(),
        };
        let (challenge, own) = watch::channel(BTreeMap::new());
        let (all, challenges) = watch::channel(BTreeMap::new());
        let company = Company {
            name: name.to_owned(),
            announcements,
            affinity: asks.then_some(tell),
            challenges: Some(ChallengeBoard { own, all }),
        };
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            match settings {
                Some(settings) => runtime.block_on(super::redis(settings, wiring, company)),
                None => runtime.block_on(super::memory(wiring)),
            }
        });
        let thread = Some(thread);
        Self { handle, readings, marks, announce, affinity, challenge, challenges, metrics, shutdown, thread }
    }

    /// The next reading of `app`.
    async fn next(&mut self, patience: Duration) -> AlertReading {
        let next = async {
            loop {
                let reading = self.readings.recv().await.unwrap();
                if reading.service == app() {
                    return reading;
                }
            }
        };
        timeout(patience, next).await.expect("a reading in time")
    }

    async fn expect(&mut self, patience: Duration, owners: &str) {
        assert_eq!(shown(&self.next(patience).await.owners), owners);
    }

    /// Waits until the marks of `app` are these, in short form.
    async fn until_marks(&mut self, marks: &str) {
        let mut last = None;
        let wait = async {
            while last.as_deref() != Some(marks) {
                let reading = self.marks.recv().await.unwrap();
                if reading.service == app() {
                    last = Some(marked(&reading.marks));
                }
            }
        };
        let result = timeout(PATIENCE, wait).await;
        assert!(result.is_ok(), "`{marks}` in time; the last were {last:?}");
    }

    async fn until_challenges(&mut self, challenges: &BTreeMap<String, String>) {
        let seen = timeout(PATIENCE, self.challenges.wait_for(|seen| seen == challenges)).await.is_ok();
        assert!(seen, "{challenges:?} in time; the last were {:?}", *self.challenges.borrow());
    }

    fn connected(&self) -> bool {
        self.metrics.render().contains("\ncoalmine_bus_connected 1")
    }

    async fn until_connected(&self, connected: bool) {
        eventually(async || (self.connected() == connected).then_some(())).await;
    }

    async fn raise(&self, reason: &str) -> String {
        let alert = Alert { reason: reason.into(), by: Some("test".into()) };
        shown(&timeout(NOTICED, self.handle.raise(&app(), alert)).await.unwrap().unwrap())
    }

    async fn clear(&self) -> String {
        shown(&timeout(NOTICED, self.handle.clear(&app())).await.unwrap().unwrap())
    }

    /// Ends the bus as a stop does, and waits for it.
    fn stop(&mut self) {
        self.shutdown.cancel();
        self.thread.take().unwrap().join().unwrap();
    }

    /// Nothing more was told than the tests looked at.
    fn finish(mut self) {
        self.stop();
        while let Ok(reading) = self.readings.try_recv() {
            assert_ne!(reading.service, app(), "told once too often: {reading:?}");
        }
        while let Ok(reading) = self.marks.try_recv() {
            let empty = reading.marks == Default::default();
            assert!(empty || reading.service != app(), "marked once too often: {reading:?}");
        }
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

fn place(server: &Server) -> RedisPlace {
    RedisPlace::Server { address: server.endpoint(), database: 0 }
}

fn settings(place: RedisPlace) -> RedisSettings {
    RedisSettings { place, username: String::new(), password: None, tls: false, prefix: "coalmine:".to_owned() }
}

fn app() -> ServiceName {
    ServiceName::new("app").unwrap()
}

fn watched(service: &str, compat: Vec<CompatKey>) -> Watched {
    let keys = AlertKeys { key: format!("alert:{service}"), compat };
    Watched { service: ServiceName::new(service).unwrap(), keys }
}

fn shown(owners: &Owners) -> String {
    let owners: Vec<String> = owners.iter().map(|(owner, alert)| format!("{owner}={}", alert.reason)).collect();
    owners.join(",")
}

/// Marks in a short form: `drain web1; weights 2:1; eject; peer lb2; lease a`.
fn marked(marks: &crate::model::Marks) -> String {
    let mut words: Vec<String> = marks.drains.keys().map(|backend| format!("drain {backend}")).collect();
    words.extend(marks.weights.iter().map(|mark| format!("weights {}:{}", mark.stable.get(), mark.canary.get())));
    words.extend(marks.ejection.iter().map(|_| "eject".to_owned()));
    words.extend(marks.peers.keys().map(|peer| format!("peer {peer}")));
    words.extend(marks.lease.iter().map(|lease| format!("lease {}", lease.id)));
    words.join("; ")
}
