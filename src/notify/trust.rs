//! Whom TLS trusts: what the host trusts, and a file of our own.

use std::path::Path;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;

use crate::tls;

/// The certificates of the file; none where there is no file. Blocks on it.
pub(super) fn own(file: Option<&Path>) -> Result<Vec<CertificateDer<'static>>, String> {
    file.map_or_else(|| Ok(Vec::new()), tls::client::certificates)
}

/// Blocks on the files of the host.
pub(super) fn client(file: Option<&Path>) -> Result<Arc<ClientConfig>, String> {
    let mut roots = tls::client::host_roots();
    roots.add_parsable_certificates(own(file)?);
    tls::client::config(roots, None).map(Arc::new).map_err(|error| error.to_string())
}
