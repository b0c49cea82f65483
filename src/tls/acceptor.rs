//! The handshake.

use std::io;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::{self, Ticketer};
use rustls::server::ServerSessionMemoryCache;
use rustls::{HandshakeKind, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::store::Store;

/// Sessions of TLS 1.2 clients that know no tickets, remembered at most.
const SESSIONS: usize = 1024;
/// A client that comes back gets a new one each time, and rarely opens two connections at once.
const TICKETS: usize = 1;

/// Does handshakes: TLS 1.2 and 1.3, without early data. Cheap to clone.
///
/// A ticket is good for 12 hours, in this process; the key that it is sealed with changes every 6.
#[derive(Clone)]
pub struct Acceptor(TlsAcceptor);

/// A connection after its handshake.
#[derive(Debug)]
pub struct Accepted<I> {
    pub io: TlsStream<I>,
    /// By a ticket or a session of before.
    pub resumed: bool,
    /// Whether HTTP/2 was agreed on.
    pub http2: bool,
}

impl Acceptor {
    /// Shows the certificates of `store`. `http2`: it is offered too.
    ///
    /// # Errors
    /// There is no randomness.
    pub fn new(store: &Store, http2: bool) -> Result<Self, rustls::Error> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let mut config = config.with_no_client_auth().with_cert_resolver(Arc::new(store.clone()));
        let protocols = if http2 { PROTOCOLS } else { &PROTOCOLS[1..] };
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        config.ticketer = Ticketer::new()?;
        config.send_tls13_tickets = TICKETS;
        config.session_storage = ServerSessionMemoryCache::new(SESSIONS);
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    /// Without a limit of time. Cancel safe in that a dropped handshake is no connection.
    ///
    /// # Errors
    /// The client broke off, or there is no common ground.
    pub async fn accept<I: AsyncRead + AsyncWrite + Unpin>(&self, io: I) -> io::Result<Accepted<I>> {
        let io = self.0.accept(io).await?;
        let session = io.get_ref().1;
        let resumed = session.handshake_kind() == Some(HandshakeKind::Resumed);
        let http2 = session.alpn_protocol() == Some(H2);
        Ok(Accepted { io, resumed, http2 })
    }
}

const H2: &[u8] = b"h2";
/// In the order of our choice. Who offers others alone is refused, which would hit clients of HTTP/1.0 too.
const PROTOCOLS: &[&[u8]] = &[H2, b"http/1.1", b"http/1.0"];
