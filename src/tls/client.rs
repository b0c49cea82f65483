//! TLS as a client: whom it trusts, who it is, and a handshake.

use std::io;
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use rustls::client::{ClientSessionMemoryCache, Resumption};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::model::{Credentials, TlsSpec};

/// HTTP/2 as ALPN names it.
const H2: &[u8] = b"h2";
const HTTP_1_1: &[u8] = b"http/1.1";

/// Sessions that are kept to be resumed, for all backends of a track.
const SESSIONS: usize = 256;

/// The certificates of a PEM file, at least one. Blocks on it.
///
/// # Errors
/// Why it is none.
pub fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(certificates) if certificates.is_empty() => Err(format!("{} has no certificate", file.display())),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(format!("{} cannot be read: {error}", file.display())),
    }
}

/// The private key of a PEM file. Blocks on it.
///
/// # Errors
/// Why it is none.
pub fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_file(file).map_err(|error| format!("{} has no private key: {error}", file.display()))
}

/// What the host trusts. What it has and can't be read is not trusted; the handshake tells what is missing. Blocks on
/// the files of the host.
pub fn host_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// A client's settings without ALPN. `identity`: what it shows to a server that asks.
///
/// # Errors
/// Certificate and key do not belong together, or are of a kind that is not spoken.
pub fn config(
    roots: RootCertStore,
    identity: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
) -> Result<ClientConfig, rustls::Error> {
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder.with_safe_default_protocol_versions()?.with_root_certificates(roots);
    match identity {
        Some((chain, key)) => builder.with_client_auth_cert(chain, key),
        None => Ok(builder.with_no_client_auth()),
    }
}

/// What a track's backends are spoken to with. `roots`: instead of the host's, which are read when there are none.
///
/// # Errors
/// As [`config`], and when nothing can be trusted.
pub fn credentials(
    roots: Option<Vec<CertificateDer<'static>>>,
    identity: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
    h2: bool,
) -> Result<Credentials, rustls::Error> {
    let mut digest = Context::new(&SHA256);
    let mut add = |bytes: &[u8]| {
        digest.update(&(bytes.len() as u64).to_be_bytes());
        digest.update(bytes);
    };
    add(&[h2.into(), roots.is_some().into()]);
    roots.iter().flatten().for_each(|certificate| add(certificate));
    if let Some((chain, key)) = &identity {
        chain.iter().for_each(|certificate| add(certificate));
        add(key.secret_der());
    }
    let store = match roots {
        Some(certificates) => {
            let mut store = RootCertStore::empty();
            for certificate in certificates {
                store.add(certificate)?;
            }
            store
        }
        None => host_roots(),
    };
    // Those of the host may have changed since the last reading as well.
    for anchor in &store.roots {
        add(&anchor.subject);
        add(&anchor.subject_public_key_info);
    }
    let mut config = config(store, identity)?;
    config.alpn_protocols = vec![if h2 { H2 } else { HTTP_1_1 }.to_vec()];
    config.resumption = Resumption::store(Arc::new(ClientSessionMemoryCache::new(SESSIONS)));
    let mut digested = [0; 32];
    digested.copy_from_slice(digest.finish().as_ref());
    Ok(Credentials { digest: digested, config: Arc::new(config) })
}

/// Whether a certificate can be checked against this host.
pub fn is_name(host: &str) -> bool {
    ServerName::try_from(host).is_ok()
}

/// How one backend is spoken to.
#[derive(Clone)]
pub struct Secure {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Secure {
    /// `host`: of the backend, which `server_name` goes before. `None` where there is nothing to speak TLS with.
    pub fn new(spec: &TlsSpec, host: &str) -> Option<Self> {
        let config = spec.credentials.as_ref()?.config.clone();
        let name = if spec.server_name.is_empty() { host } else { &spec.server_name };
        Some(Self { connector: config.into(), name: ServerName::try_from(name).ok()?.to_owned() })
    }

    /// The same for HTTP/2, whatever the track speaks.
    #[must_use]
    pub fn with_h2(self) -> Self {
        let mut config = ClientConfig::clone(self.connector.config());
        config.alpn_protocols = vec![H2.to_vec()];
        Self { connector: Arc::new(config).into(), name: self.name }
    }

    /// As [`Self::connect`] for HTTP/1.1, whatever the track speaks.
    ///
    /// # Errors
    /// The handshake's.
    pub async fn connect_http1<I>(&self, io: I) -> io::Result<TlsStream<I>>
    where
        I: AsyncRead + AsyncWrite + Unpin,
    {
        self.connector.with_alpn(vec![HTTP_1_1.to_vec()]).connect(self.name.clone(), io).await
    }

    /// Shakes hands over `io`. Cancel safe: dropped, it drops `io`.
    ///
    /// # Errors
    /// The handshake's. Who speaks HTTP/2 here and meets a server that does not choose it, fails as well: the track was
    /// configured for it, and requests in another protocol would fail in stranger ways.
    pub async fn connect<I>(&self, io: I) -> io::Result<TlsStream<I>>
    where
        I: AsyncRead + AsyncWrite + Unpin,
    {
        let stream = self.connector.connect(self.name.clone(), io).await?;
        let (_, session) = stream.get_ref();
        if self.connector.config().alpn_protocols.iter().any(|wanted| wanted == H2)
            && session.alpn_protocol() != Some(H2)
        {
            return Err(io::Error::other("the backend does not speak HTTP/2 over TLS"));
        }
        Ok(stream)
    }
}

impl std::fmt::Debug for Secure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secure").field("name", &self.name).finish_non_exhaustive()
    }
}
