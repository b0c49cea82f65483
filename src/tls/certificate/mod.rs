//! A certificate with its key, read from files and checked.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::client::verify_server_name;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use x509_parser::prelude::{GeneralName, X509Certificate};

use crate::model::{CertificateSettings, HostPattern};
use crate::tls::flaw::{Flaw, Part};

/// A chain, the key of its first certificate, and the names that it is shown for.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// A wildcard is for one label.
    pub hosts: Vec<HostPattern>,
    /// Short, for people: its first host, or the name of its file.
    pub name: String,
    /// Its first moment.
    pub from: SystemTime,
    /// Its last moment.
    pub to: SystemTime,
    pub(in crate::tls) key: Arc<CertifiedKey>,
}

/// A certificate that clients refuse for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutOfDate {
    Expired(SystemTime),
    NotYet(SystemTime),
}

impl fmt::Display for OutOfDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (text, at) = match self {
            Self::Expired(at) => ("expired on", at),
            Self::NotYet(at) => ("not valid before", at),
        };
        write!(f, "{text} {}", humantime::format_rfc3339_seconds(*at))
    }
}

impl Certificate {
    /// Reads and checks everything but the date. Blocks on the files.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn load(files: &CertificateSettings) -> Result<Self, Flaw> {
        let (cert, key) = (&files.cert, &files.key);
        let bad = |why: String| Flaw::Certificate { file: cert.clone(), why };
        let chain = CertificateDer::pem_file_iter(cert).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let chain = chain.map_err(|error| unreadable(Part::Cert, cert, error))?;
        let leaf = chain.first().ok_or_else(|| Flaw::NoCertificate { file: cert.clone() })?;
        let (from, to, names) = {
            let (_, leaf) = x509_parser::parse_x509_certificate(leaf).map_err(|error| bad(error.to_string()))?;
            let validity = leaf.validity();
            let [from, to] = [validity.not_before, validity.not_after].map(|at| moment(at.timestamp()));
            (from, to, names(&leaf))
        };
        let parsed = ParsedCertificate::try_from(leaf).map_err(|error| bad(error.to_string()))?;
        for host in &files.hosts {
            if !covers(&parsed, &names, host) {
                let (file, host) = (cert.clone(), host.to_string());
                return Err(Flaw::NotCovered { file, host, names: listed(&names) });
            }
        }

        let secret = match PrivateKeyDer::from_pem_file(key) {
            Ok(secret) => secret,
            Err(pem::Error::NoItemsFound) => return Err(Flaw::NoKey { file: key.clone() }),
            Err(error) => return Err(unreadable(Part::Key, key, error)),
        };
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let pair = CertifiedKey::from_der(chain, secret, &provider).map_err(|error| match error {
            Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                Flaw::Mismatch { cert: cert.clone(), key: key.clone() }
            }
            error => Flaw::Key { file: key.clone(), why: error.to_string() },
        })?;
        let hosts = if files.hosts.is_empty() { names } else { files.hosts.clone() };
        let name = hosts.first().map_or_else(|| file_name(cert), ToString::to_string);
        Ok(Self { hosts, name, from, to, key: Arc::new(pair) })
    }

    /// The certificate itself, without those that vouch for it.
    pub fn leaf(&self) -> Option<&CertificateDer<'static>> {
        self.key.cert.first()
    }

    /// # Errors
    /// It can't be used at `now`.
    pub fn check_date(&self, now: SystemTime) -> Result<(), OutOfDate> {
        match now {
            now if now > self.to => Err(OutOfDate::Expired(self.to)),
            now if now < self.from => Err(OutOfDate::NotYet(self.from)),
            _ => Ok(()),
        }
    }
}

/// Two with the same chain have the same key.
impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.hosts == other.hosts && self.key.cert == other.key.cert
    }
}

/// The DNS names of a certificate. Its common name is no longer one (RFC 9525, 2).
fn names(leaf: &X509Certificate<'_>) -> Vec<HostPattern> {
    let names = leaf.subject_alternative_name().ok().flatten();
    let names = names.iter().flat_map(|names| &names.value.general_names);
    let dns = names.filter_map(|name| match name {
        GeneralName::DNSName(name) => HostPattern::new(name),
        _ => None,
    });
    dns.collect()
}

/// A name of the certificate with a wildcard covers a host of one label more, and itself.
fn covers(certificate: &ParsedCertificate<'_>, names: &[HostPattern], host: &HostPattern) -> bool {
    match host {
        HostPattern::Below(_) => names.contains(host),
        HostPattern::Exact(host) => match ServerName::try_from(&**host) {
            Ok(name @ ServerName::DnsName(_)) => verify_server_name(certificate, &name).is_ok(),
            // Clients don't send addresses as names (RFC 6066, 3).
            _ => false,
        },
    }
}

fn listed(names: &[HostPattern]) -> String {
    match names {
        [] => "no name of a host".to_owned(),
        names => names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
    }
}

fn unreadable(part: Part, file: &Path, error: pem::Error) -> Flaw {
    let file = file.to_owned();
    match error {
        pem::Error::Io(source) => Flaw::Unreadable { part, file, source },
        source => Flaw::Pem { part, file, source },
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// Seconds since 1970; before that is then.
fn moment(seconds: i64) -> SystemTime {
    let since = Duration::from_secs(seconds.max(0).unsigned_abs());
    SystemTime::UNIX_EPOCH.checked_add(since).unwrap_or(SystemTime::UNIX_EPOCH)
}

#[cfg(test)]
pub(in crate::tls) mod tests;
