//! A fresh connection to a backend.

use std::io;
use std::sync::Arc;

use tokio::net::TcpStream;

use super::upstream::Connection;
use crate::metrics::Open;
use crate::net::outbox::Outbox;
use crate::table::Backend;

/// Largest read and write buffer of a connection, in bytes: what lets large bodies move in few system calls.
pub(super) const MAX_BUFFER: usize = 256 * 1024;

/// Connects to the first address of `backend` that accepts, within `timeout.connect` for all of them together.
///
/// `outbox` is the worker's. Cancel safe: dropped half-way, nothing is left.
///
/// # Errors
/// Refused or unreachable everywhere, no address known, or not within the time.
pub(super) async fn open(outbox: &Arc<Outbox>, backend: &Backend) -> io::Result<Box<Connection>> {
    let tcp = tokio::time::timeout(backend.timeout.connect, dial(backend)).await??;
    let open = Open::one(&backend.metrics.connections);
    Connection::new(tcp, outbox.clone(), MAX_BUFFER, open).await.map_err(io::Error::other)
}

async fn dial(backend: &Backend) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the backend's name does not resolve");
    for address in backend.addresses.iter() {
        match TcpStream::connect(address).await {
            Ok(tcp) => return Ok(tcp),
            Err(error) => last = error,
        }
    }
    Err(last)
}
