//! From an accepted socket to the protocol that is spoken on it.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpStream;

use super::connection;
use super::guest::Guest;
use super::handshake::handshake;
use super::pace::Pace;
use super::worker::Worker;
use crate::model::Scheme;
use crate::net::preface::Preface;
use crate::net::prefixed::Prefixed;
use crate::net::stream::Stream;
use crate::tls::Accepted;

/// Serves a client from its first byte to its last.
pub(super) async fn welcome(worker: Arc<Worker>, scheme: Scheme, tcp: TcpStream, peer: SocketAddr) {
    let pace = Arc::new(Pace::new(worker.idle_timeout, worker.header_timeout));
    let io = Stream::new(tcp, pace.clone(), worker.outbox.clone());
    let guest = Guest::new(peer.ip(), scheme, &worker.trusted_proxies);
    match scheme {
        Scheme::Http if worker.http2 => plain(worker, guest, pace, io).await,
        Scheme::Http => drop(connection::http1(worker, guest, pace, io).await),
        // Boxed, so that connections on plain text need not be as large.
        Scheme::Https => Box::pin(secure(worker, guest, pace, io)).await,
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
async fn secure(worker: Arc<Worker>, guest: Guest, pace: Arc<Pace>, io: Stream<Arc<Pace>>) {
    let Some(Accepted { io, http2, .. }) = handshake(&worker, &guest, &pace, io).await else { return };
    if http2 {
        Box::pin(connection::http2(worker, guest, pace, io)).await;
    } else {
        // Over TLS nobody speaks HTTP/2 who has not said so (RFC 9113, 3.2).
        connection::http1(worker, guest, pace, io).await;
    }
}
