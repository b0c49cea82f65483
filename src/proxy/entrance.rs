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
use crate::net::stream::Stream;

/// Serves a client from its first byte to its last.
pub(super) async fn welcome(worker: Arc<Worker>, scheme: Scheme, tcp: TcpStream, peer: SocketAddr) {
    let pace = Arc::new(Pace::new(worker.idle_timeout, worker.header_timeout));
    let io = Stream::new(tcp, pace.clone(), worker.outbox.clone());
    let guest = Guest::new(peer.ip(), scheme, &worker.trusted_proxies);
    match scheme {
        Scheme::Http => connection::http1(worker, guest, pace, io).await,
        // Boxed, so that connections on plain text have no room for it.
        Scheme::Https => Box::pin(secure(worker, guest, pace, io)).await,
    }
}

async fn secure(worker: Arc<Worker>, guest: Guest, pace: Arc<Pace>, io: Stream<Arc<Pace>>) {
    if let Some(accepted) = handshake(&worker, &guest, &pace, io).await {
        connection::http1(worker, guest, pace, accepted.io).await;
    }
}
