//! One probe on a connection of its own.
//!
//! [`http`] is a `GET`, judged by its status and the beginning of its body; [`grpc`] asks the standard health service.

mod exchange;
mod failure;
mod grpc;
mod http;
mod place;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, timeout};

pub use failure::ProbeFailure;
pub use place::Place;

use crate::model::{Address, ProbeQuestion, ProbeSpec};
use crate::net::introduction::introduction;
use crate::net::socket::Socket;
use exchange::Io;

/// Asks the backend once. `addresses` are what the address of `place` resolves to, tried in order until one accepts the
/// connection.
///
/// The whole takes at most `spec.timeout`. Cancel safe: dropping the future closes the connection and leaves nothing
/// behind.
///
/// # Errors
/// Why the backend is not healthy.
pub async fn probe(spec: &ProbeSpec, place: &Place, addresses: &[SocketAddr]) -> Result<(), ProbeFailure> {
    let attempt = async {
        let host = if spec.host.is_empty() { place.address.authority() } else { spec.host.clone() };
        let request = match &spec.question {
            ProbeQuestion::Http { path, .. } => http::request(place, &host, path)?,
            ProbeQuestion::Grpc { service } => grpc::request(place, &host, service, spec.timeout)?,
        };
        let mut socket = connect(place, addresses, spec.timeout).await?;
        if let Some(header) = introduction(place.upstream.proxy_protocol, None) {
            socket.write_all(&header).await.map_err(ProbeFailure::Connect)?;
        }
        let io: Box<dyn Io> = match &place.secure {
            Some(secure) => Box::new(secure.connect(socket).await.map_err(ProbeFailure::Tls)?),
            None => Box::new(socket),
        };
        exchange::exchange(&spec.question, place.h2, io, request).await
    };
    timeout(spec.timeout, attempt).await.unwrap_or(Err(ProbeFailure::Timeout(spec.timeout)))
}

/// Every address gets an equal part of the time that is left, so that a silent first one does not hide a good second.
async fn connect(place: &Place, addresses: &[SocketAddr], limit: Duration) -> Result<Socket, ProbeFailure> {
    if let Address::Unix(path) = &place.address {
        let path = PathBuf::from(path.as_ref());
        return UnixStream::connect(path).await.map(Socket::Unix).map_err(ProbeFailure::Connect);
    }
    let deadline = Instant::now().checked_add(limit);
    let mut failure = ProbeFailure::Unresolved;
    for (address, waiting) in addresses.iter().zip((1..=addresses.len()).rev()) {
        let left = deadline.map_or(limit, |deadline| deadline.saturating_duration_since(Instant::now()));
        let share = left / u32::try_from(waiting).unwrap_or(u32::MAX);
        failure = match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true).map_err(ProbeFailure::Connect)?;
                return Ok(Socket::Tcp(stream));
            }
            Ok(Err(error)) => ProbeFailure::Connect(error),
            Err(_) => ProbeFailure::Timeout(limit),
        };
    }
    Err(failure)
}

#[cfg(test)]
mod tests;
