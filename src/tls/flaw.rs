//! What can be wrong with a certificate and its key.

use std::io;
use std::path::PathBuf;

use rustls::pki_types::pem;

/// The key of a `[[tls.certificate]]` that is to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Cert,
    Key,
    Hosts,
}

impl Part {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cert => "cert",
            Self::Key => "key",
            Self::Hosts => "hosts",
        }
    }
}

/// Why a certificate and its key can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Flaw {
    #[error("{} cannot be read: {source}", file.display())]
    Unreadable { part: Part, file: PathBuf, source: io::Error },
    #[error("{} is not valid PEM: {source}", file.display())]
    Pem { part: Part, file: PathBuf, source: pem::Error },
    #[error("{} has no certificate", file.display())]
    NoCertificate { file: PathBuf },
    #[error("{} has no private key that can be read", file.display())]
    NoKey { file: PathBuf },
    #[error("the certificate in {} cannot be used: {why}", file.display())]
    Certificate { file: PathBuf, why: String },
    #[error("the key in {} cannot be used: {why}", file.display())]
    Key { file: PathBuf, why: String },
    #[error("{} is not the key of the first certificate in {}", key.display(), cert.display())]
    Mismatch { cert: PathBuf, key: PathBuf },
    #[error("the certificate in {} is not for `{host}`, but for {names}", file.display())]
    NotCovered { file: PathBuf, host: String, names: String },
}

impl Flaw {
    pub fn part(&self) -> Part {
        match self {
            Self::Unreadable { part, .. } | Self::Pem { part, .. } => *part,
            Self::NoCertificate { .. } | Self::Certificate { .. } => Part::Cert,
            Self::NoKey { .. } | Self::Key { .. } | Self::Mismatch { .. } => Part::Key,
            Self::NotCovered { .. } => Part::Hosts,
        }
    }

    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "name a readable PEM file, absolute or relative to the configuration file",
            Self::Pem { .. } => "copy the whole PEM file again",
            Self::NoCertificate { .. } | Self::Certificate { .. } => {
                "name a PEM file with the certificate first and its chain after it"
            }
            Self::NoKey { .. } | Self::Key { .. } => {
                "name a PEM file with an RSA, ECDSA or Ed25519 key that is not encrypted"
            }
            Self::Mismatch { .. } => "name the key that the certificate was made for; the chain comes after it",
            Self::NotCovered { .. } => "remove the host, or name a certificate that has it among its names",
        }
    }
}
