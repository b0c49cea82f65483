//! Another way to a backend: over TLS, a unix socket, or behind a PROXY header. Bytes pass as they are.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use rustls::{HandshakeKind, ServerConfig};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::backend::runtime;

/// Ends when dropped.
pub(crate) struct Door {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    _end: DropGuard,
}

/// What a connection began with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Handshake {
        resumed: bool,
        alpn: Option<String>,
        name: Option<String>,
        certified: bool,
    },
    Failed(String),
    /// The bytes of a PROXY header.
    Header(Vec<u8>),
}

enum Kind {
    Tls(TlsAcceptor),
    Proxied,
}

impl Door {
    /// Speaks TLS, and plain text with `to`.
    pub(crate) fn tls(to: SocketAddr, config: Arc<ServerConfig>) -> Self {
        Self::start(to, Kind::Tls(config.into()))
    }

    /// Takes a PROXY header of either version off each connection.
    pub(crate) fn proxied(to: SocketAddr) -> Self {
        Self::start(to, Kind::Proxied)
    }

    /// What the connections so far began with.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    fn start(to: SocketAddr, kind: Kind) -> Self {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let (address, seen, end) = (listener.local_addr().unwrap(), Arc::default(), CancellationToken::new());
        let door = Self { address, seen: Arc::clone(&seen), _end: end.clone().drop_guard() };
        let kind = Arc::new(kind);
        runtime().spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            let accepting = async {
                loop {
                    let Ok((stream, _)) = listener.accept().await else { continue };
                    let (kind, seen, end) = (kind.clone(), seen.clone(), end.clone());
                    tokio::spawn(async move { end.run_until_cancelled(serve(&kind, stream, to, &seen)).await });
                }
            };
            end.run_until_cancelled(accepting).await;
        });
        door
    }
}

async fn serve(kind: &Kind, mut stream: TcpStream, to: SocketAddr, seen: &Mutex<Vec<Seen>>) {
    let _ = stream.set_nodelay(true);
    let Kind::Tls(acceptor) = kind else {
        let Some(header) = header(&mut stream).await else { return };
        seen.lock().unwrap().push(Seen::Header(header));
        return pass(&mut stream, to).await;
    };
    let mut stream = match acceptor.accept(stream).await {
        Ok(stream) => stream,
        Err(error) => return seen.lock().unwrap().push(Seen::Failed(error.to_string())),
    };
    let session = stream.get_ref().1;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    seen.lock().unwrap().push(Seen::Handshake {
        resumed: session.handshake_kind() == Some(HandshakeKind::Resumed),
        alpn: session.alpn_protocol().map(text),
        name: session.server_name().map(str::to_owned),
        certified: session.peer_certificates().is_some(),
    });
    pass(&mut stream, to).await;
}

/// A PROXY header, byte by byte, so that nothing after it is taken.
async fn header(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut header = Vec::new();
    loop {
        header.push(stream.read_u8().await.ok()?);
        let whole = match &header[..] {
            [b'P', .., b'\r', b'\n'] => true,
            [b'\r', ..] if header.len() >= 16 => {
                header.len() == 16 + usize::from(u16::from_be_bytes([header[14], header[15]]))
            }
            _ => false,
        };
        if whole {
            return Some(header);
        }
    }
}

/// A unix socket at `path` that leads to `to`. Ends when dropped.
pub(crate) fn unix(path: &Path, to: SocketAddr) -> DropGuard {
    let listener = std::os::unix::net::UnixListener::bind(path).unwrap();
    listener.set_nonblocking(true).unwrap();
    let end = CancellationToken::new();
    let token = end.clone();
    runtime().spawn(async move {
        let listener = UnixListener::from_std(listener).unwrap();
        let accepting = async {
            loop {
                let Ok((mut stream, _)) = listener.accept().await else { continue };
                let token = token.clone();
                tokio::spawn(async move { token.run_until_cancelled(pass(&mut stream, to)).await });
            }
        };
        token.run_until_cancelled(accepting).await;
    });
    end.drop_guard()
}

async fn pass(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), to: SocketAddr) {
    let Ok(mut onward) = TcpStream::connect(to).await else { return };
    let _ = onward.set_nodelay(true);
    let _ = copy_bidirectional(stream, &mut onward).await;
}
