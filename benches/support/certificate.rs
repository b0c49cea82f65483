//! A certificate for every door that speaks TLS: ECDSA on P-256, made once a run, trusted by nobody.

use std::path::{Path, PathBuf};

use anyhow::Result;

/// Files in PEM.
#[derive(Debug)]
pub(crate) struct Certificate {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
    /// Both in one file, as HAProxy wants them.
    pub(crate) both: PathBuf,
}

impl Certificate {
    pub(crate) fn make(dir: &Path) -> Result<Self> {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let cert = rcgen::CertificateParams::new(names)?.self_signed(&key)?.pem();
        let key = key.serialize_pem();
        let file = |name: &str, text: &str| -> Result<PathBuf> {
            let file = dir.join(name);
            std::fs::write(&file, text)?;
            Ok(file)
        };
        Ok(Self {
            both: file("both.pem", &format!("{cert}{key}"))?,
            cert: file("cert.pem", &cert)?,
            key: file("key.pem", &key)?,
        })
    }
}
