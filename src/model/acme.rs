//! Certificates from an authority.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

/// `[tls.acme]`: for each domain a certificate of its own (RFC 8555).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AcmeSettings {
    /// The URL that the authority is known by.
    pub directory: String,
    /// Whom the authority may write to: `mailto:` URLs.
    pub contact: Vec<String>,
    /// Host names in lower case, without wildcards.
    pub domains: Vec<Arc<str>>,
    /// Where the account and the certificates are kept, with their keys.
    pub state_dir: PathBuf,
    /// Trusted for the directory beside what the host trusts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
}
