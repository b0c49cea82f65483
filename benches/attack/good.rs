//! The good client: a steady rate over a few keep-alive connections, and how long each answer takes.
//!
//! The time runs from when a request was due, so that a stall counts for all that it delays.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use rustls::client::Resumption;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::support::client::{Client, Transport};
use crate::support::tls;

const CONNECTIONS: u32 = 8;
/// Between the requests of one connection: 320 requests per second in all.
const GAP: Duration = Duration::from_millis(25);
/// After a failure, before it connects again.
const BACK_OFF: Duration = Duration::from_millis(5);
/// How long after the end it still asks what was due before; the rest has failed.
const GRACE: Duration = Duration::from_secs(2);

#[derive(Debug, Default)]
pub(crate) struct Experience {
    /// Milliseconds of each request, failed ones too.
    pub(crate) times: Vec<f64>,
    /// Refused, cut off, or without an answer for [`crate::support::client::PATIENCE`].
    pub(crate) failed: u64,
}

/// Where the good client goes.
#[derive(Clone, Debug)]
pub(crate) struct Destination {
    pub(crate) addr: SocketAddr,
    tls: Option<Arc<ClientConfig>>,
}

impl Destination {
    pub(crate) fn plain(addr: SocketAddr) -> Self {
        Self { addr, tls: None }
    }

    pub(crate) fn tls(addr: SocketAddr) -> Result<Self> {
        Ok(Self { addr, tls: Some(tls::client(Resumption::disabled())?) })
    }

    fn connect(&self) -> io::Result<Client> {
        let Some(config) = &self.tls else { return Client::connect(self.addr, "/") };
        let config = Arc::clone(config);
        Client::connect_over(self.addr, "/", |stream: TcpStream| {
            let session = ClientConnection::new(config, tls::server_name()).map_err(io::Error::other)?;
            Ok(Box::new(StreamOwned::new(session, stream)) as Box<dyn Transport>)
        })
    }
}

/// Asks from `begin` to `end`; blocks until the last answer.
pub(crate) fn ask(to: &Destination, begin: Instant, end: Instant) -> Experience {
    let ask = |number| {
        let to = to.clone();
        thread::spawn(move || connection(&to, begin + GAP / CONNECTIONS * number, end))
    };
    let threads: Vec<_> = (0..CONNECTIONS).map(ask).collect();
    let mut all = Experience::default();
    for thread in threads {
        let mut one = thread.join().unwrap_or_default(); // a panic in it has been printed
        all.times.append(&mut one.times);
        all.failed += one.failed;
    }
    all
}

fn connection(to: &Destination, begin: Instant, end: Instant) -> Experience {
    let mut experience = Experience::default();
    let mut client = to.connect().ok();
    let mut due = begin;
    while due < end {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let answer = match &mut client {
            _ if Instant::now() > end + GRACE => Err(io::ErrorKind::TimedOut.into()),
            Some(client) => client.get(),
            None => to.connect().and_then(|fresh| client.insert(fresh).get()),
        };
        experience.times.push(due.elapsed().as_secs_f64() * 1e3);
        if answer.is_err() {
            experience.failed += 1;
            client = None;
            thread::sleep(BACK_OFF.min(end.saturating_duration_since(Instant::now())));
        }
        due += GAP;
    }
    experience
}
