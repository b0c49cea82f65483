//! Certificates of an authority of the test's own: ECDSA P-256, as PEM files in a directory.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tempfile::TempDir;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// An authority and the directory of its files, which goes when it is dropped.
pub(crate) struct Authority {
    /// Its certificate.
    pub(crate) file: PathBuf,
    issuer: Issuer<'static, KeyPair>,
    directory: TempDir,
    made: AtomicUsize,
}

/// A certificate and its key, in files of the [`Authority`]. The authority's own certificate is not in the chain.
#[derive(Clone, Debug)]
pub(crate) struct Certificate {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name.push(DnType::CommonName, "authority of the tests");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("authority.pem");
        fs::write(&file, parameters.self_signed(&key).unwrap().pem()).unwrap();
        Self { file, issuer: Issuer::new(parameters, key), directory, made: AtomicUsize::new(0) }
    }

    /// For a server by these names: host names, wildcards, IP addresses. Good since yesterday, for a month.
    #[track_caller]
    pub(crate) fn server(&self, names: &[&str]) -> Certificate {
        let now = SystemTime::now();
        self.server_valid(names, now - DAY, now + 30 * DAY)
    }

    /// The same, expired since yesterday.
    #[track_caller]
    pub(crate) fn expired(&self, names: &[&str]) -> Certificate {
        let now = SystemTime::now();
        self.server_valid(names, now - 30 * DAY, now - DAY)
    }

    /// The same with another time in which it is good.
    #[track_caller]
    pub(crate) fn server_valid(&self, names: &[&str], from: SystemTime, until: SystemTime) -> Certificate {
        self.make(names, ExtendedKeyUsagePurpose::ServerAuth, from, until)
    }

    /// For a client by this name.
    #[track_caller]
    pub(crate) fn client(&self, name: &str) -> Certificate {
        let now = SystemTime::now();
        self.make(&[name], ExtendedKeyUsagePurpose::ClientAuth, now - DAY, now + 30 * DAY)
    }

    #[track_caller]
    fn make(&self, names: &[&str], usage: ExtendedKeyUsagePurpose, from: SystemTime, until: SystemTime) -> Certificate {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut parameters = CertificateParams::new(names.clone()).unwrap();
        parameters.distinguished_name.push(DnType::CommonName, names[0].as_str());
        parameters.use_authority_key_identifier_extension = true;
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages = vec![usage];
        let since_epoch = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let epoch = date_time_ymd(1970, 1, 1);
        (parameters.not_before, parameters.not_after) = (epoch + since_epoch(from), epoch + since_epoch(until));
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap();
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        Certificate {
            cert: written(&self.directory, &format!("{number}.pem"), &certificate.pem()),
            key: written(&self.directory, &format!("{number}.key"), &key.serialize_pem()),
        }
    }
}

impl Certificate {
    /// A server that shows this, speaks these by ALPN, and demands a certificate that `clients` has signed.
    pub(crate) fn config(&self, alpn: &[&str], clients: Option<&Authority>) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone());
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(CertificateDer::from_pem_file(&authority.file).unwrap()).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let chain = vec![CertificateDer::from_pem_file(&self.cert).unwrap()];
        let mut config = builder.with_single_cert(chain, PrivateKeyDer::from_pem_file(&self.key).unwrap()).unwrap();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }
}

fn written(directory: &TempDir, name: &str, text: &str) -> PathBuf {
    let path: &Path = directory.path();
    let path = path.join(name);
    fs::write(&path, text).unwrap();
    path
}
