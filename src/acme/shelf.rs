//! What is kept on disk: the account with an authority, and for each domain one file with its key and its chain.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::Uri;
use instant_acme::AccountCredentials;

use crate::model::{AcmeSettings, CertificateSettings, HostPattern};
use crate::tls::Certificate;

/// A directory of mode 0700 with files of mode 0600. All blocks on the disk.
///
/// Each authority has an account and certificates of its own: what one for tests has given must not be shown any more
/// when another takes its place.
#[derive(Clone, Debug)]
pub(super) struct Shelf {
    directory: PathBuf,
    account: PathBuf,
}

/// More than a certificate and its key take, in bytes.
const TRIAL: usize = 16 * 1024;
/// Longest name of a directory, in bytes.
const LONGEST: usize = 200;

impl Shelf {
    pub(super) fn new(settings: &AcmeSettings) -> Self {
        let url = settings.directory.parse::<Uri>().ok();
        let name = url.as_ref().and_then(|url| Some(format!("{}{}", url.authority()?, url.path())));
        let name = name.unwrap_or_else(|| "authority".to_owned());
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' || c == '-' { c } else { '_' };
        let name: String = name.chars().map(plain).take(LONGEST).collect();
        let directory = settings.state_dir.join(name);
        Self { account: directory.join("account.json"), directory }
    }

    /// Whether something can be kept, before the authority gives it: it gives a certificate only so many times.
    pub(super) fn try_out(&self) -> io::Result<()> {
        let trial = self.directory.join("trial");
        self.write(&trial, &[b'\n'; TRIAL])?;
        fs::remove_file(&trial).map_err(|error| named(&trial, error))
    }

    /// The account; `None`: there is none yet.
    ///
    /// # Errors
    /// There is one that can't be read: another is not made in its place, since authorities limit how many one may.
    pub(super) fn account(&self) -> io::Result<Option<AccountCredentials>> {
        match fs::read(&self.account) {
            Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|error| named(&self.account, error)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(named(&self.account, error)),
        }
    }

    pub(super) fn keep_account(&self, account: &AccountCredentials) -> io::Result<()> {
        let text = serde_json::to_vec(account).map_err(io::Error::other)?;
        self.write(&self.account, &text)
    }

    /// The authority knows it no longer.
    pub(super) fn forget_account(&self) -> io::Result<()> {
        fs::remove_file(&self.account).map_err(|error| named(&self.account, error))
    }

    /// The certificate of a domain, if there is one that can be used.
    pub(super) fn certificate(&self, domain: &Arc<str>) -> Option<Certificate> {
        let file = self.file(domain);
        if !file.exists() {
            return None;
        }
        // Key and chain in one file can't be of different ages.
        let (hosts, key) = (vec![HostPattern::Exact(domain.clone())], file.clone());
        match Certificate::load(&CertificateSettings { cert: file, key, hosts }) {
            Ok(certificate) => Some(certificate),
            Err(flaw) => {
                tracing::warn!(%domain, %flaw, "a kept certificate can't be used: ordering another");
                None
            }
        }
    }

    pub(super) fn keep_certificate(&self, domain: &str, key: &str, chain: &str) -> io::Result<()> {
        self.write(&self.file(domain), format!("{key}\n{chain}").as_bytes())
    }

    fn file(&self, domain: &str) -> PathBuf {
        self.directory.join(format!("{domain}.pem"))
    }

    /// Whole or not at all, whatever happens meanwhile.
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let attempt = || {
            DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
            let draft = path.with_extension("new");
            let _ = fs::remove_file(&draft);
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&draft, path)?;
            File::open(&self.directory)?.sync_all()
        };
        attempt().map_err(|error| named(path, error))
    }
}

fn named(path: &Path, error: impl std::fmt::Display) -> io::Error {
    io::Error::other(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn shelf(directory: &Path) -> Shelf {
        shelf_of("https://acme.test:14000/dir", directory)
    }

    fn shelf_of(authority: &str, directory: &Path) -> Shelf {
        Shelf::new(&AcmeSettings {
            directory: authority.into(),
            contact: Vec::new(),
            domains: Vec::new(),
            state_dir: directory.join("state"),
            ca_file: None,
        })
    }

    #[test]
    fn a_certificate_is_kept_with_its_key_where_nobody_else_reads_it() {
        let directory = tempfile::tempdir().unwrap();
        let shelf = shelf(directory.path());
        let domain: Arc<str> = "a.test".into();
        assert!(shelf.certificate(&domain).is_none());
        let made = rcgen::generate_simple_self_signed(vec!["a.test".to_owned()]).unwrap();
        shelf.keep_certificate(&domain, &made.signing_key.serialize_pem(), &made.cert.pem()).unwrap();
        assert_eq!(shelf.certificate(&domain).unwrap().hosts, [HostPattern::Exact(domain)]);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&directory.path().join("state")), 0o700);
        assert_eq!(mode(&directory.path().join("state/acme.test_14000_dir")), 0o700);
        assert_eq!(mode(&directory.path().join("state/acme.test_14000_dir/a.test.pem")), 0o600);
    }

    #[test]
    fn what_another_authority_gave_is_not_shown() {
        let directory = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(vec!["a.test".to_owned()]).unwrap();
        let before = shelf_of("https://acme.test/staging", directory.path());
        before.keep_certificate("a.test", &made.signing_key.serialize_pem(), &made.cert.pem()).unwrap();
        for other in ["https://acme.test/live", "https://other.test/staging"] {
            assert!(shelf_of(other, directory.path()).certificate(&"a.test".into()).is_none(), "{other}");
        }
    }

    #[test]
    fn a_disk_that_takes_nothing_is_known_beforehand() {
        let directory = tempfile::tempdir().unwrap();
        let shelf = shelf(directory.path());
        shelf.try_out().unwrap();
        assert_eq!(fs::read_dir(&shelf.directory).unwrap().count(), 0, "nothing is left");
        fs::remove_dir(&shelf.directory).unwrap();
        fs::write(&shelf.directory, "").unwrap();
        assert!(shelf.try_out().is_err());
    }

    #[test]
    fn a_file_that_is_no_certificate_is_ordered_anew() {
        let directory = tempfile::tempdir().unwrap();
        let shelf = shelf(directory.path());
        shelf.keep_certificate("a.test", "not a key", "not a chain").unwrap();
        assert!(shelf.certificate(&"a.test".into()).is_none());
    }

    #[test]
    fn an_account_that_cannot_be_read_is_named_and_not_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let shelf = shelf(directory.path());
        assert!(shelf.account().unwrap().is_none());
        shelf.write(&shelf.account, b"{").unwrap();
        let error = shelf.account().err().unwrap().to_string();
        assert!(error.contains("acme.test_14000_dir/account.json"), "{error}");
    }
}
