//! Requests in number, over several keep-alive connections at once.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::client::Connection;
use super::eventually::for_a_while;

/// What became of the requests.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Answers with status 200, by body: the id of the backend that answered.
    pub(crate) answers: BTreeMap<String, usize>,
    /// Everything else.
    pub(crate) failures: Vec<String>,
}

impl Tally {
    pub(crate) fn by(&self, backend: &str) -> usize {
        self.answers.get(backend).copied().unwrap_or(0)
    }

    pub(crate) fn total(&self) -> usize {
        self.answers.values().sum()
    }

    fn add(&mut self, other: Self) {
        for (backend, count) in other.answers {
            *self.answers.entry(backend).or_default() += count;
        }
        self.failures.extend(other.failures);
    }
}

/// Sends `requests` GETs over `connections` connections at once. Every one must be answered with 200.
#[track_caller]
pub(crate) fn load(address: SocketAddr, requests: usize, connections: usize) -> Tally {
    let sent = AtomicUsize::new(0);
    let more = || sent.fetch_add(1, Ordering::Relaxed) < requests;
    let tally = thread::scope(|scope| {
        let workers: Vec<_> = (0..connections).map(|_| scope.spawn(|| work(address, more))).collect();
        sum(workers.into_iter().map(|worker| worker.join().unwrap()))
    });
    assert_eq!(tally.failures, Vec::<String>::new());
    tally
}

/// Load that goes on in the background until it is stopped.
pub(crate) struct Steady {
    go_on: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    workers: Vec<JoinHandle<Tally>>,
}

impl Steady {
    /// Each connection pauses a millisecond between requests, to leave the machine some air.
    pub(crate) fn start(address: SocketAddr, connections: usize) -> Self {
        let go_on = Arc::new(AtomicBool::new(true));
        let answered = Arc::new(AtomicUsize::new(0));
        let worker = || {
            let (go_on, answered) = (go_on.clone(), answered.clone());
            thread::spawn(move || {
                work(address, || {
                    answered.fetch_add(1, Ordering::SeqCst);
                    for_a_while(Duration::from_millis(1));
                    go_on.load(Ordering::SeqCst)
                })
            })
        };
        let workers = (0..connections).map(|_| worker()).collect();
        Self { go_on, answered, workers }
    }

    /// Requests begun so far.
    pub(crate) fn begun(&self) -> usize {
        self.answered.load(Ordering::SeqCst)
    }

    /// Ends the load; every request must have been answered with 200.
    #[track_caller]
    pub(crate) fn stop(self) -> Tally {
        self.go_on.store(false, Ordering::SeqCst);
        let tally = sum(self.workers.into_iter().map(|worker| worker.join().unwrap()));
        assert_eq!(tally.failures, Vec::<String>::new());
        tally
    }
}

fn work(address: SocketAddr, more: impl Fn() -> bool) -> Tally {
    let mut tally = Tally::default();
    let mut connection = None;
    while more() {
        match one(&mut connection, address) {
            Ok(backend) => *tally.answers.entry(backend).or_default() += 1,
            Err(failure) => {
                connection = None;
                tally.failures.push(failure);
            }
        }
    }
    tally
}

fn one(connection: &mut Option<Connection>, address: SocketAddr) -> Result<String, String> {
    let open = match connection {
        Some(open) => open,
        None => connection.insert(Connection::try_open(address).map_err(|error| error.to_string())?),
    };
    open.try_send("GET / HTTP/1.1\r\nHost: test\r\n\r\n").map_err(|error| error.to_string())?;
    let response = open.try_receive().map_err(|broken| broken.to_string())?;
    if response.head.get("connection").is_some_and(|value| value == "close") {
        *connection = None;
    }
    match response.status() {
        200 => Ok(response.text()),
        status => Err(format!("{status}: {}", response.text())),
    }
}

fn sum(tallies: impl Iterator<Item = Tally>) -> Tally {
    tallies.fold(Tally::default(), |mut all, tally| {
        all.add(tally);
        all
    })
}
