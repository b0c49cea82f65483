//! From an accepted socket to the protocol that is spoken on it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::net::TcpStream;

use super::crowd::{Entry, Place};
use super::guest::Guest;
use super::pace::Pace;
use super::worker::Worker;
use super::{connection, farewell};
use crate::metrics::Refused;
use crate::model::Scheme;
use crate::net::stream::Stream;

/// Serves a client from its first byte to its last; `_entry` is its place until then.
pub(super) async fn welcome(worker: Arc<Worker>, _entry: Entry, scheme: Scheme, tcp: TcpStream, peer: SocketAddr) {
    let _place = match admitted(&worker, peer.ip()) {
        Ok(place) => place,
        Err(reason) => return farewell::refuse(&worker, scheme, tcp, reason),
    };
    let pace = Pace::new(worker.idle_timeout, worker.header_timeout).with_rate(worker.limits.body_rate);
    let pace = Arc::new(pace);
    let io = Stream::new(tcp, pace.clone(), worker.outbox.clone());
    let guest = Guest::new(peer.ip(), scheme, &worker.trusted_proxies);
    match scheme {
        Scheme::Http => connection::http1(worker, guest, pace, io).await,
        Scheme::Https => drop(io),
    }
}

/// The place of one more connection among those of the client at `address`. Who speaks for others is no client, and
/// needs none.
fn admitted(worker: &Worker, address: IpAddr) -> Result<Option<Place>, Refused> {
    let address = address.to_canonical();
    if worker.trusted_proxies.iter().any(|network| network.contains(&address)) {
        return Ok(None);
    }
    worker.crowd.admit(address).map(Some)
}
