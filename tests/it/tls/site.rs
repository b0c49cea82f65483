//! An authority of the test's own, and the files of its certificates.

use std::fs;
use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::CertificateDer;
use tempfile::TempDir;

pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(super) root: CertificateDer<'static>,
    directory: TempDir,
}

/// A certificate and its key as PEM.
pub(super) struct Pair {
    pub(super) cert: String,
    pub(super) key: String,
}

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let cert = params.self_signed(&key).unwrap();
        let directory = tempfile::tempdir().unwrap();
        Self { root: cert.der().clone(), issuer: Issuer::new(params, key), directory }
    }

    /// A fresh one, with `change` made to it.
    pub(super) fn pair_with(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Pair {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        Pair { cert: cert.pem(), key: key.serialize_pem() }
    }

    pub(super) fn pair(&self, names: &[&str]) -> Pair {
        self.pair_with(names, |_| {})
    }

    /// Writes a fresh certificate, and gives the lines of the configuration for it.
    pub(super) fn write(&self, site: &str, names: &[&str]) -> String {
        self.put(site, &self.pair(names))
    }

    pub(super) fn put(&self, site: &str, pair: &Pair) -> String {
        let (cert, key) = (self.file(site, "pem"), self.file(site, "key"));
        fs::write(&cert, &pair.cert).unwrap();
        fs::write(&key, &pair.key).unwrap();
        format!("cert = \"{}\"\nkey = \"{}\"", cert.display(), key.display())
    }

    pub(super) fn file(&self, site: &str, kind: &str) -> PathBuf {
        self.directory.path().join(format!("{site}.{kind}"))
    }
}
