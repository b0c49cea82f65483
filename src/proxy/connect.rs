//! A fresh connection to a backend.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, UnixStream};

use super::upstream::{Connection, Heard, Http1, Io, Meter, Owner, Shared};
use super::worker::Worker;
use crate::metrics::Open;
use crate::model::Address;
use crate::net::socket::Socket;
use crate::net::stream::Stream;
use crate::table::{Backend, Room};

/// Largest read and write buffer of a connection, in bytes: what lets large bodies move in few system calls.
pub(super) const MAX_BUFFER: usize = 256 * 1024;
/// How long the host of a shared connection may be silent before the kernel asks it, and how long it may take.
const SILENCE: Duration = Duration::from_secs(10);

/// Opens an HTTP/1.1 connection to the first address of `backend` that accepts, within `timeout.connect` for all of them
/// and the TLS handshake together, once its limits allow one more connection. The backend is told of `owner`.
///
/// Cancel safe: dropped half-way, nothing is left.
///
/// # Errors
/// Refused or unreachable everywhere, no address known, not within the time, or no trust. `QuotaExceeded`: the backend's
/// limits.
pub(super) async fn http1(worker: &Worker, backend: &Backend, owner: Owner) -> io::Result<Connection> {
    let meter = meter(worker, backend).await?;
    let opened = async {
        let (io, heard) = dial(worker, backend, owner.as_deref(), meter, false).await?;
        Http1::new(io, heard, owner).await.map(Connection::Http1).map_err(io::Error::other)
    };
    tokio::time::timeout(backend.timeout.connect, opened).await?
}

/// The same for HTTP/2, until the backend has said that it speaks it.
///
/// # Errors
/// As [`http1`], or it does not speak it.
pub(super) async fn http2(worker: &Worker, backend: &Backend, owner: Owner) -> io::Result<Arc<Shared>> {
    let meter = meter(worker, backend).await?;
    let opened = async {
        let (io, heard) = dial(worker, backend, owner.as_deref(), meter, true).await?;
        Shared::open(io, heard, owner).await
    };
    tokio::time::timeout(backend.timeout.connect, opened).await?
}

async fn meter(worker: &Worker, backend: &Backend) -> io::Result<Meter> {
    let room = room(worker, backend).await?;
    Ok(Meter { _open: Open::one(&backend.metrics.connections), _room: room })
}

/// Room for one more connection; `None` where there are no limits. Idle connections of all workers are asked to give
/// way.
async fn room(worker: &Worker, backend: &Backend) -> io::Result<Option<Room>> {
    let Some(circuit) = &backend.circuit else { return Ok(None) };
    let room = circuit.room(|| worker.shared.begging.notify_waiters()).await;
    room.map(Some).ok_or_else(|| io::Error::from(io::ErrorKind::QuotaExceeded))
}

async fn dial(
    worker: &Worker,
    backend: &Backend,
    header: Option<&[u8]>,
    meter: Meter,
    h2: bool,
) -> io::Result<(Io, Arc<Heard>)> {
    let mut socket = match &backend.address {
        Address::Network { .. } => Socket::Tcp(tcp(backend).await?),
        Address::Unix(path) => Socket::Unix(UnixStream::connect(&**path).await?),
    };
    if let Some(header) = header {
        socket.write_all(header).await?;
    }
    let (heard, outbox) = (Arc::new(Heard::default()), worker.outbox.clone());
    let io = match (socket, &backend.secure) {
        (Socket::Tcp(tcp), None) => Io::tcp(Stream::new(tcp, heard.clone(), outbox), heard.clone(), meter),
        (Socket::Tcp(tcp), Some(secure)) => {
            let tcp = Stream::new(tcp, (), outbox);
            let stream = if h2 { secure.connect(tcp).await? } else { secure.connect_http1(tcp).await? };
            Io::other(Box::new(stream), heard.clone(), meter)
        }
        (Socket::Unix(unix), _) => Io::other(Box::new(unix), heard.clone(), meter),
    };
    Ok((io, heard))
}

async fn tcp(backend: &Backend) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the backend's name does not resolve");
    for address in backend.addresses.iter() {
        match TcpStream::connect(address).await {
            Ok(tcp) => {
                if backend.upstream.h2 {
                    watch(&tcp);
                }
                return Ok(tcp);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Lets the kernel find out that the other host is gone: a shared connection may be in use for hours.
fn watch(tcp: &TcpStream) {
    let keepalive = TcpKeepalive::new().with_time(SILENCE).with_interval(SILENCE / 5).with_retries(5);
    let socket = SockRef::from(tcp);
    let set = socket.set_tcp_keepalive(&keepalive).and_then(|()| socket.set_tcp_user_timeout(Some(SILENCE * 2)));
    if let Err(error) = set {
        tracing::debug!(%error, "a dead host will be noticed late");
    }
}
