//! From an accepted socket to the protocol that is spoken on it.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpStream;

use super::connection;
use super::guest::Guest;
use super::pace::Pace;
use super::worker::Worker;
use crate::model::Scheme;
use crate::net::introduction::Ends;
use crate::net::stream::Stream;

/// Serves a client from its first byte to its last.
pub(super) async fn welcome(worker: Arc<Worker>, scheme: Scheme, tcp: TcpStream, peer: SocketAddr) {
    let pace = Arc::new(Pace::new(worker.idle_timeout, worker.header_timeout));
    // A socket that has ended already has no name any more.
    let local = tcp.local_addr().unwrap_or(SocketAddr::from(([0, 0, 0, 0], 0)));
    let io = Stream::new(tcp, pace.clone(), worker.outbox.clone());
    let guest = Guest::new(Ends { client: peer, local }, scheme, &worker.trusted_proxies);
    match scheme {
        Scheme::Http => connection::http1(worker, guest, pace, io).await,
        Scheme::Https => drop(io),
    }
}
