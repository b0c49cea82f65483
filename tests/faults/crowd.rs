//! Many clients at a bounded rate, each of which checks every answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::backend::{ANSWERED_BY, NUMBER};
use crate::support::client::{Broken, Response, request};
use crate::support::{Connection, for_a_while};

/// One entry for each client.
const METHODS: [&str; 20] = [
    "GET", "GET", "GET", "GET", "GET", "GET", "GET", "GET", "GET", "GET", "GET", "GET", "GET", "GET", "HEAD",
    "OPTIONS", "POST", "POST", "PUT", "DELETE",
];

/// From one request of a client to its next, on average: some 500 a second together when none waits.
const PACE: Duration = Duration::from_millis(40);

const BODY: &str = "a body that has to arrive once";

/// One request, and what became of it.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) number: String,
    pub(crate) method: &'static str,
    pub(crate) began: Instant,
    pub(crate) took: Duration,
    /// The id of the backend that answered.
    pub(crate) end: Result<String, Failure>,
}

/// How a request failed.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) kind: Kind,
    /// The backend that had the request, as far as the answer says.
    pub(crate) by: String,
    /// For people.
    pub(crate) seen: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The balancer took no connection, or ended one without a word.
    Balancer,
    /// An answer came whole, and says that a backend had the request: its own words, or the balancer's.
    Sent,
    /// An answer came whole, and says no such thing.
    Refused,
    /// The answer ended within its body.
    HalfBody,
    /// A whole good answer that is not the one to this request. Never to be excused.
    Wrong,
}

impl Attempt {
    /// Whether anybody may send it twice.
    pub(crate) fn is_repeatable(&self) -> bool {
        matches!(self.method, "GET" | "HEAD" | "OPTIONS")
    }
}

/// The clients, running until they are told to stop.
pub(crate) struct Crowd {
    go_on: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Vec<Attempt>>>,
}

impl Crowd {
    pub(crate) fn start(address: SocketAddr, seed: u64) -> Self {
        let go_on = Arc::new(AtomicBool::new(true));
        let client = |(n, method): (usize, &'static str)| {
            let random = Rng::with_seed(seed.wrapping_add(n as u64));
            let mut client = Client { address, name: n, method, sent: 0, random, connection: None };
            let go_on = go_on.clone();
            thread::spawn(move || client.run(&go_on))
        };
        let clients = METHODS.into_iter().enumerate().map(client).collect();
        Self { go_on, clients }
    }

    /// Lets every request end, and gives all of them in the order of time.
    pub(crate) fn stop(mut self) -> Vec<Attempt> {
        self.go_on.store(false, Ordering::SeqCst);
        let mut attempts: Vec<_> = self.clients.drain(..).flat_map(|client| client.join().unwrap()).collect();
        attempts.sort_by_key(|attempt| attempt.began);
        attempts
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.go_on.store(false, Ordering::SeqCst);
    }
}

struct Client {
    address: SocketAddr,
    name: usize,
    method: &'static str,
    sent: usize,
    random: Rng,
    connection: Option<Connection>,
}

impl Client {
    fn run(&mut self, go_on: &AtomicBool) -> Vec<Attempt> {
        let mut attempts = Vec::new();
        while go_on.load(Ordering::SeqCst) {
            for_a_while(PACE.mul_f64(self.random.f64() * 2.0));
            self.sent += 1;
            let (number, began) = (format!("{}-{}", self.name, self.sent), Instant::now());
            let end = self.ask(&number);
            if end.is_err() {
                self.connection = None;
            }
            attempts.push(Attempt { number, method: self.method, began, took: began.elapsed(), end });
        }
        attempts
    }

    fn ask(&mut self, number: &str) -> Result<String, Failure> {
        let broken = |kind, seen: String| Failure { kind, by: String::new(), seen };
        // A connection that was closed while it was idle is no loss: a client looks before it sends.
        let open = self.connection.take().filter(|connection| !connection.has_ended());
        let reused = open.is_some();
        let mut connection = match open {
            Some(open) => open,
            None => Connection::try_open(self.address)
                .map_err(|error| broken(Kind::Balancer, format!("connect to the balancer: {error}")))?,
        };
        let where_to = if reused { "a connection used before" } else { "a fresh connection" };
        connection
            .try_send(self.bytes(number))
            .map_err(|error| broken(Kind::Balancer, format!("send on {where_to}: {error}")))?;
        let response = connection.try_receive_to(self.method == "HEAD").map_err(|end| match end {
            Broken::InBody(response) => {
                let (length, by) = (response.body.bytes.len(), said(&response, ANSWERED_BY));
                broken(Kind::HalfBody, format!("{} of `{by}` ended after {length} bytes of body", response.status()))
            }
            Broken::NoHead => broken(Kind::Balancer, format!("{where_to} ended before a head")),
            Broken::Failed(error) => broken(Kind::Balancer, format!("{where_to}: {error}")),
        })?;
        let by = checked(&response, self.method, number)?;
        if !said(&response, "connection").eq_ignore_ascii_case("close") {
            self.connection = Some(connection);
        }
        Ok(by)
    }

    fn bytes(&self, number: &str) -> String {
        let number = format!("{NUMBER}: {number}");
        if !self.has_body() {
            return request(self.method, "/page", &[&number]);
        }
        request(self.method, "/page", &[&number, &format!("Content-Length: {}", BODY.len())]) + BODY
    }

    fn has_body(&self) -> bool {
        matches!(self.method, "POST" | "PUT")
    }
}

/// The backend whose whole and right answer this is.
fn checked(response: &Response, method: &str, number: &str) -> Result<String, Failure> {
    let by = said(response, ANSWERED_BY);
    let text = response.text();
    if response.status() != 200 {
        // The balancer's own words for a request that a backend had: it was sent, and then no answer came.
        let sent = !by.is_empty()
            || response.status() == 504
            || ["closed", "malformed"].iter().any(|kind| text.contains(kind));
        let first = text.lines().next().unwrap_or_default();
        let first: String = first.chars().take(80).collect();
        let served = said(response, "x-served-by");
        let seen = format!("{} `{first}` served by `{served}`", response.status());
        let by = if by.is_empty() { served.rsplit('/').next().unwrap_or_default().to_owned() } else { by };
        return Err(Failure { kind: if sent { Kind::Sent } else { Kind::Refused }, by, seen });
    }
    let length = if matches!(method, "POST" | "PUT") { BODY.len() } else { 0 };
    let whole = crate::backend::answer_text(&by, number, method, length);
    let right = said(response, NUMBER) == number && (method == "HEAD" || text == whole);
    if !right {
        let first: String = text.chars().take(80).collect();
        return Err(Failure { kind: Kind::Wrong, by, seen: format!("the answer to another request: `{first}`") });
    }
    Ok(by)
}

fn said(response: &Response, field: &str) -> String {
    response.head.get(field).unwrap_or_default()
}
