//! A fresh connection to a backend.

use std::io;

use tokio::net::TcpStream;

use super::upstream::Connection;
use super::worker::Worker;
use crate::metrics::Open;
use crate::table::{Backend, Room};

/// Largest read and write buffer of a connection, in bytes: what lets large bodies move in few system calls.
pub(super) const MAX_BUFFER: usize = 256 * 1024;

/// Connects to the first address of `backend` that accepts, within `timeout.connect` for all of them together, once its
/// limits allow one more connection.
///
/// Cancel safe: dropped half-way, nothing is left.
///
/// # Errors
/// Refused or unreachable everywhere, no address known, or not within the time. `QuotaExceeded`: the backend's limits.
pub(super) async fn open(worker: &Worker, backend: &Backend) -> io::Result<Box<Connection>> {
    let room = room(worker, backend).await?;
    let tcp = tokio::time::timeout(backend.timeout.connect, dial(backend)).await??;
    let open = Open::one(&backend.metrics.connections);
    Connection::new(tcp, worker.outbox.clone(), MAX_BUFFER, open, room).await.map_err(io::Error::other)
}

/// Room for one more connection; `None` where there are no limits. Idle connections of all workers are asked to give
/// way.
async fn room(worker: &Worker, backend: &Backend) -> io::Result<Option<Room>> {
    let Some(circuit) = &backend.circuit else { return Ok(None) };
    let room = circuit.room(|| worker.shared.begging.notify_waiters()).await;
    room.map(Some).ok_or_else(|| io::Error::from(io::ErrorKind::QuotaExceeded))
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
