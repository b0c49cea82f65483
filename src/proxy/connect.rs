//! A fresh connection to a backend.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::pool::{Connection, Heard};
use crate::metrics::Open;
use crate::net::stream::Stream;
use crate::table::Backend;

/// Largest read and write buffer of a connection, in bytes: what lets large bodies move in few system calls.
pub(super) const MAX_BUFFER: usize = 256 * 1024;

/// Connects to the first address of `backend` that accepts, within `timeout.connect` for all of them together.
///
/// The connection is driven by a task of its own that ends when the returned handle is dropped or the backend closes.
/// Cancel safe: dropped half-way, nothing is left.
///
/// # Errors
/// Refused or unreachable everywhere, no address known, or not within the time.
pub(super) async fn open(backend: &Arc<Backend>) -> io::Result<Connection> {
    let tcp = tokio::time::timeout(backend.timeout.connect, dial(backend)).await??;
    let heard = Arc::new(Heard::default());
    let io = TokioIo::new(Stream::new(tcp, heard.clone()));
    let handshake = http1::Builder::new().max_buf_size(MAX_BUFFER).handshake(io);
    let (sender, driver) = handshake.await.map_err(io::Error::other)?;

    let open = Open::one(&backend.metrics.connections);
    tokio::spawn(async move {
        if let Err(error) = driver.await {
            tracing::debug!(%error, "backend connection ended");
        }
        drop(open);
    });
    Ok(Connection { sender, heard, opened: Instant::now() })
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
