//! A client that speaks HTTP/1.1 over TLS and tells what was agreed on.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};

use crate::support::certificates::Authority;
use crate::support::client::request;
use crate::support::eventually::DEADLINE;
use crate::support::wire::{Body, Head};

/// Remembers tickets from one connection to the next.
pub(super) struct Client {
    pub(super) config: ClientConfig,
    address: SocketAddr,
}

/// A connection after its handshake.
pub(super) struct Secure {
    stream: StreamOwned<ClientConnection, TcpStream>,
    buffer: Vec<u8>,
}

/// A response, and whether it came whole.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) head: Head,
    pub(super) text: String,
    pub(super) whole: bool,
}

impl Client {
    pub(super) fn of(authority: &Authority, address: SocketAddr) -> Self {
        Self::with_versions(authority, address, rustls::ALL_VERSIONS)
    }

    pub(super) fn with_versions(
        authority: &Authority,
        address: SocketAddr,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&authority.file).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
        Self { config: config.with_root_certificates(roots).with_no_client_auth(), address }
    }

    #[track_caller]
    pub(super) fn connect(&self, name: &str) -> Secure {
        self.try_connect(name).unwrap_or_else(|error| panic!("no handshake for {name}: {error}"))
    }

    pub(super) fn try_connect(&self, name: &str) -> io::Result<Secure> {
        let tcp = TcpStream::connect(self.address)?;
        tcp.set_read_timeout(Some(DEADLINE))?;
        tcp.set_write_timeout(Some(DEADLINE))?;
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let session = ClientConnection::new(Arc::new(self.config.clone()), name).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(session, tcp);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Secure { stream, buffer: Vec::new() })
    }
}

impl Secure {
    pub(super) fn session(&self) -> &ClientConnection {
        &self.stream.conn
    }

    pub(super) fn leaf(&self) -> CertificateDer<'static> {
        self.session().peer_certificates().unwrap()[0].clone().into_owned()
    }

    #[track_caller]
    pub(super) fn get(&mut self, path: &str) -> Answer {
        self.send(request("GET", path, &[]));
        let answer = self.receive();
        assert!(answer.whole, "{answer:?}");
        answer
    }

    #[track_caller]
    pub(super) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
        self.stream.flush().unwrap();
    }

    /// The next response. It is whole too where a proper end of the connection is its end.
    #[track_caller]
    pub(super) fn receive(&mut self) -> Answer {
        let head = loop {
            match Head::take(&mut self.buffer) {
                Some(head) => break head,
                None => assert!(self.read().unwrap() > 0, "the connection ended before a head"),
            }
        };
        let mut body = Body::of_response(&head, false);
        let whole = loop {
            if body.take(&mut self.buffer) {
                break true;
            }
            match self.read() {
                Ok(0) => break body.ended_by_close(),
                Ok(_) => {}
                Err(_) => break false,
            }
        };
        Answer { head, text: String::from_utf8_lossy(&body.bytes).into_owned(), whole }
    }

    /// An end without close_notify is an error.
    pub(super) fn read(&mut self) -> io::Result<usize> {
        let mut part = [0; 16 * 1024];
        let length = self.stream.read(&mut part)?;
        self.buffer.extend_from_slice(&part[..length]);
        Ok(length)
    }
}
