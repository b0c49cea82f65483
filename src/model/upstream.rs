//! What is spoken to the backends of a track.

use std::fmt;
use std::sync::Arc;

use rustls::ClientConfig;
use serde::Serialize;

/// The protocols under and beside a request. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Upstream {
    /// HTTP/2 only: over TLS by ALPN, on plain text by prior knowledge.
    pub h2: bool,
    pub proxy_protocol: ProxyProtocol,
    pub tls: Arc<TlsSpec>,
}

/// Which header each connection begins with, to say for whom it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ProxyProtocol {
    #[default]
    Off,
    V1,
    V2,
}

/// How backends prove who they are. The files are named as in the configuration; what was read from them is
/// `credentials`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TlsSpec {
    pub ca_file: String,
    pub server_name: String,
    pub cert_file: String,
    pub key_file: String,
    /// `None` when no backend of the track speaks TLS.
    #[serde(skip)]
    pub credentials: Option<Credentials>,
}

/// What the files of a [`TlsSpec`] said when the configuration was read, ready for handshakes.
#[derive(Clone)]
pub struct Credentials {
    /// Of the files. Two credentials are the same when these are, so that a reload keeps connections and sessions.
    pub digest: [u8; 32],
    pub config: Arc<ClientConfig>,
}

impl PartialEq for Credentials {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for Credentials {}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("digest", &self.digest).finish_non_exhaustive()
    }
}
