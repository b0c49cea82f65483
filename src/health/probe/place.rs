//! Where a probe asks, and what is spoken there.

use crate::model::{Address, Endpoint, ProbeQuestion, ProbeSpec, Upstream};
use crate::tls::client::Secure;

/// One backend as its probes see it.
#[derive(Clone, Debug)]
pub struct Place {
    pub address: Address,
    pub(super) upstream: Upstream,
    pub(super) secure: Option<Secure>,
    pub(super) h2: bool,
}

impl Place {
    pub fn new(address: Address, upstream: Upstream, spec: &ProbeSpec) -> Self {
        let secure = address.tls_host().and_then(|host| Secure::new(&upstream.tls, host));
        let grpc = matches!(spec.question, ProbeQuestion::Grpc { .. });
        let secure = if grpc && !upstream.h2 { secure.map(Secure::with_h2) } else { secure };
        Self { address, secure, h2: upstream.h2 || grpc, upstream }
    }

    /// HTTP/1.1 on plain text.
    pub fn plain(endpoint: Endpoint) -> Self {
        Self { address: endpoint.into(), upstream: Upstream::default(), secure: None, h2: false }
    }

    /// `http://host:port`, as an HTTP/2 request needs it.
    pub(super) fn origin(&self, host: &str) -> String {
        format!("{}://{host}", if self.secure.is_some() { "https" } else { "http" })
    }
}
