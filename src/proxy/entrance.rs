//! From an accepted socket to the protocol that is spoken on it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::time::Instant;

use super::crowd::{Entry, Place};
use super::guest::Guest;
use super::handshake::handshake;
use super::pace::Pace;
use super::proxy_header;
use super::worker::Worker;
use super::{connection, farewell};
use crate::metrics::Refused;
use crate::model::Scheme;
use crate::net::introduction::Ends;
use crate::net::preface::Preface;
use crate::net::prefixed::Prefixed;
use crate::net::stream::Stream;
use crate::tls::Accepted;

/// Serves a client from its first byte to its last; `_entry` is its place until then.
pub(super) async fn welcome(worker: Arc<Worker>, _entry: Entry, scheme: Scheme, mut tcp: TcpStream, peer: SocketAddr) {
    // For the PROXY header and the handshake together.
    let due = Instant::now() + worker.handshake_timeout;
    let Some(address) = proxy_header::client(&worker, &mut tcp, peer.ip(), due).await else { return };
    let _place = match admitted(&worker, address) {
        Ok(place) => place,
        Err(reason) => return farewell::refuse(&worker, scheme, tcp, reason),
    };
    let pace = Pace::new(worker.idle_timeout, worker.header_timeout).with_rate(worker.limits.body_rate);
    let pace = Arc::new(pace);
    // A socket that has ended already has no name any more.
    let local = tcp.local_addr().unwrap_or(SocketAddr::from(([0, 0, 0, 0], 0)));
    let client = SocketAddr::new(address, peer.port());
    let io = Stream::new(tcp, pace.clone(), worker.outbox.clone());
    let guest = Guest::new(Ends { client, local }, scheme, &worker.trusted_proxies);
    match scheme {
        Scheme::Http if worker.http2 => plain(worker, guest, pace, io).await,
        Scheme::Http => drop(connection::http1(worker, guest, pace, io).await),
        // Boxed, so that connections on plain text need not be as large.
        Scheme::Https => Box::pin(secure(worker, guest, pace, io, due)).await,
    }
}

/// Serves whichever protocol the first bytes are of: the parser of HTTP/1.1 finds the preface of HTTP/2, so that nothing
/// has to be looked at before it.
async fn plain(worker: Arc<Worker>, guest: Guest, pace: Arc<Pace>, io: Stream<Arc<Pace>>) {
    let served = connection::http1(worker.clone(), guest.clone(), pace.clone(), Preface::new(io)).await;
    if let Some((io, head)) = served {
        // Boxed: the other connections need not be as large.
        Box::pin(connection::http2(worker, guest, pace, Prefixed::new(head, io.into_inner()))).await;
    }
}

/// Serves the protocol that the handshake agrees on.
async fn secure(worker: Arc<Worker>, guest: Guest, pace: Arc<Pace>, io: Stream<Arc<Pace>>, due: Instant) {
    let Some(Accepted { io, http2, .. }) = handshake(&worker, &guest, &pace, io, due).await else { return };
    if http2 {
        Box::pin(connection::http2(worker, guest, pace, io)).await;
    } else {
        // Over TLS nobody speaks HTTP/2 who has not said so (RFC 9113, 3.2).
        connection::http1(worker, guest, pace, io).await;
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
