//! What is shown on the TLS listeners.

use std::path::PathBuf;

use serde::Serialize;

use super::{AcmeSettings, HostPattern};

/// `[tls]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TlsSettings {
    /// The first is the default.
    #[serde(rename = "certificate")]
    pub certificates: Vec<CertificateSettings>,
    /// Certificates that are ordered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acme: Option<AcmeSettings>,
}

/// A certificate and its key, in PEM files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CertificateSettings {
    /// The chain, its leaf first.
    pub cert: PathBuf,
    pub key: PathBuf,
    /// The names that it is shown for, a wildcard for one label; empty: those in the certificate.
    pub hosts: Vec<HostPattern>,
}
