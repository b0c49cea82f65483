//! From an accepted socket to the protocol that is spoken on it.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpStream;

use super::connection;
use super::guest::Guest;
use super::pace::Pace;
use super::proxy_header;
use super::worker::Worker;
use crate::model::Scheme;
use crate::net::stream::Stream;

/// Serves a client from its first byte to its last.
pub(super) async fn welcome(worker: Arc<Worker>, scheme: Scheme, mut tcp: TcpStream, peer: SocketAddr) {
    let Some(address) = proxy_header::client(&worker, &mut tcp, peer.ip()).await else { return };
    let pace = Arc::new(Pace::new(worker.idle_timeout, worker.header_timeout));
    let io = Stream::new(tcp, pace.clone(), worker.outbox.clone());
    let guest = Guest::new(address, scheme, &worker.trusted_proxies);
    match scheme {
        Scheme::Http => connection::http1(worker, guest, pace, io).await,
        Scheme::Https => drop(io),
    }
}
