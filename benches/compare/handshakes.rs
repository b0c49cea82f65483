//! The load of the handshake rows: connections that make a TLS handshake, take one ticket and say goodbye.
//!
//! No request is sent, so that nothing but the handshake is counted. The ticket is waited for, since with it the
//! server is done; a resumed handshake makes a fresh key exchange too and gets a ticket as well.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use anyhow::Result;
use rustls::client::Resumption;
use rustls::{ClientConfig, HandshakeKind, NamedGroup};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::outcome::Outcome;
use crate::support::statistics::percentile;
use crate::support::tls;

const PATIENCE: Duration = Duration::from_secs(5);
/// After a failure, so that a dead proxy does not make a busy loop.
const BACK_OFF: Duration = Duration::from_millis(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handshake {
    Full,
    /// Each with the ticket of the one before; the first of each connection at a time is a full one.
    Resumed,
}

impl Handshake {
    fn resumption(self) -> Resumption {
        match self {
            Self::Full => Resumption::disabled(),
            Self::Resumed => Resumption::in_memory_sessions(1),
        }
    }

    fn expected(self) -> HandshakeKind {
        match self {
            Self::Full => HandshakeKind::Full,
            Self::Resumed => HandshakeKind::Resumed,
        }
    }
}

/// `connections` at a time, on the core of the caller.
pub(crate) fn run(addr: SocketAddr, kind: Handshake, connections: u32, seconds: u64) -> Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let start = Instant::now();
        let end = start + Duration::from_secs(seconds);
        let configs = (0..connections).map(|_| tls::client(kind.resumption())).collect::<Result<Vec<_>>>()?;
        let mut drivers: JoinSet<_> = configs.into_iter().map(|config| drive(addr, config, kind, end)).collect();
        let (mut times, mut errors) = (Vec::new(), 0);
        while let Some(done) = drivers.join_next().await {
            let (mut some, failed) = done?;
            times.append(&mut some);
            errors += failed;
        }
        let done = times.len() as u64;
        #[allow(clippy::cast_precision_loss)]
        let rate = done as f64 / start.elapsed().as_secs_f64();
        Ok(Outcome { done, errors, rate, p50: Some(percentile(&times, 0.5)), p99: Some(percentile(&times, 0.99)) })
    })
}

/// Microseconds of each handshake, and how many failed.
async fn drive(addr: SocketAddr, config: Arc<ClientConfig>, kind: Handshake, end: Instant) -> (Vec<f64>, u64) {
    let (mut times, mut errors) = (Vec::new(), 0);
    let mut has_ticket = kind == Handshake::Full;
    while Instant::now() < end {
        let start = Instant::now();
        let expected = if has_ticket { kind.expected() } else { HandshakeKind::Full };
        match timeout(PATIENCE, once(addr, &config, expected)).await {
            Ok(Ok(())) if has_ticket => times.push(start.elapsed().as_secs_f64() * 1e6),
            Ok(Ok(())) => has_ticket = true,
            _ => {
                errors += 1;
                has_ticket = kind == Handshake::Full;
                tokio::time::sleep(BACK_OFF).await;
            }
        }
    }
    (times, errors)
}

async fn once(addr: SocketAddr, config: &Arc<ClientConfig>, expected: HandshakeKind) -> io::Result<()> {
    let stream = TcpStream::connect(addr).await?;
    stream.set_nodelay(true)?;
    let mut stream = TlsConnector::from(Arc::clone(config)).connect(tls::server_name(), stream).await?;
    ticket(&mut stream).await?;
    let group = stream.get_ref().1.negotiated_key_exchange_group().map(|group| group.name());
    if stream.get_ref().1.handshake_kind() != Some(expected) || group != Some(NamedGroup::X25519) {
        return Err(io::Error::other(format!("not the handshake that is measured: {group:?}")));
    }
    stream.shutdown().await?;
    let _ = stream.read(&mut [0; 64]).await; // its goodbye, or the end without one
    Ok(())
}

/// Waits until a session ticket has been read.
async fn ticket(stream: &mut TlsStream<TcpStream>) -> io::Result<()> {
    poll_fn(|cx| {
        let mut piece = [0; 64];
        let mut buffer = ReadBuf::new(&mut piece);
        let read = Pin::new(&mut *stream).poll_read(cx, &mut buffer);
        if stream.get_ref().1.tls13_tickets_received() > 0 {
            return Poll::Ready(Ok(()));
        }
        match read {
            Poll::Ready(Ok(())) => Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
            other => other,
        }
    })
    .await
}
