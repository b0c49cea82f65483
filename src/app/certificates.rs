//! The certificates of files: read at the start, on a reload, and when the files change.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::sleep;

use crate::metrics::CertificateMetrics;
use crate::model::{CertificateSettings, TlsSettings};
use crate::tls::{Certificate, Flaw, Source, Store};

/// How often the files are looked at. Those that changed are read when they look the same twice: whoever writes them has
/// time for both.
const LOOK: Duration = Duration::from_secs(1);

/// Keeps a [`Store`] like the files. Cheap to clone.
#[derive(Clone)]
pub(super) struct Certificates {
    pub(super) store: Store,
    metrics: CertificateMetrics,
    wanted: Arc<Mutex<Wanted>>,
}

#[derive(Default)]
struct Wanted {
    files: Vec<CertificateSettings>,
    /// How the files looked when they were last read.
    seen: Vec<Look>,
}

/// Certificates that were read, and are not shown yet.
struct Read {
    files: Vec<CertificateSettings>,
    seen: Vec<Look>,
    certificates: Result<Vec<Certificate>, Flaw>,
}

impl Certificates {
    pub(super) fn new(metrics: CertificateMetrics) -> Self {
        Self { store: Store::default(), metrics, wanted: Arc::default() }
    }

    /// Shows what the files that `settings` name have, from now on. Gives whether anything is new.
    ///
    /// # Errors
    /// What is wrong with the files. All stays as it was then.
    pub(super) async fn load(&self, settings: &TlsSettings) -> Result<bool, String> {
        let read = blocking(settings.certificates.clone(), read).await.ok_or("the certificates could not be read")?;
        let certificates = read.certificates.map_err(|flaw| format!("{flaw}; {}", flaw.remedy()))?;
        *self.wanted() = Wanted { files: read.files, seen: read.seen };
        Ok(self.put(Source::Files, certificates))
    }

    /// Follows the files for ever. To be supervised.
    pub(super) async fn follow(self) {
        let mut changed = None;
        loop {
            sleep(LOOK).await;
            let (files, seen) = {
                let wanted = self.wanted();
                (wanted.files.clone(), wanted.seen.clone())
            };
            let now = blocking(files, looks).await.expect("looking does not panic");
            if now == seen || changed.as_ref() != Some(&now) {
                changed = (now != seen).then_some(now);
                continue;
            }
            changed = None;
            let files = self.wanted().files.clone();
            let read = blocking(files, read).await.expect("reading does not panic");
            self.renew(read);
        }
    }

    /// Shows what was read because it had changed, unless other files are wanted by now.
    fn renew(&self, read: Read) {
        let mut wanted = self.wanted();
        if wanted.files != read.files {
            return;
        }
        wanted.seen = read.seen;
        drop(wanted);
        match read.certificates {
            Ok(certificates) => {
                if self.put(Source::Files, certificates) {
                    tracing::info!("certificates have changed: shown from now on");
                }
            }
            Err(flaw) => tracing::warn!(reason = %flaw, "changed certificates are refused: those before stay"),
        }
    }

    /// Shows these and no others of `source`, and tells of them. Gives whether anything is new.
    pub(super) fn put(&self, source: Source, certificates: Vec<Certificate>) -> bool {
        let now = SystemTime::now();
        for certificate in &certificates {
            if let Err(reason) = certificate.check_date(now) {
                let certificate = &certificate.name;
                tracing::warn!(%certificate, %reason, "a certificate is out of date: clients refuse it");
            }
        }
        let new = self.store.set(source, certificates);
        self.metrics.tell(self.store.all().iter().map(|certificate| (certificate.name.as_str(), certificate.to)));
        new
    }

    fn wanted(&self) -> MutexGuard<'_, Wanted> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `None`: it panicked, or the process ends.
async fn blocking<T: Send + 'static>(
    files: Vec<CertificateSettings>,
    work: impl FnOnce(&[CertificateSettings]) -> T + Send + 'static,
) -> Option<T> {
    tokio::task::spawn_blocking(move || work(&files)).await.ok()
}

/// The looks come first: a file that changes meanwhile is read once more.
fn read(files: &[CertificateSettings]) -> Read {
    let seen = looks(files);
    Read { files: files.to_vec(), seen, certificates: files.iter().map(Certificate::load).collect() }
}

/// What tells one version of a file from another.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Look {
    changed: Option<SystemTime>,
    inode: u64,
    length: u64,
}

fn looks(files: &[CertificateSettings]) -> Vec<Look> {
    files.iter().flat_map(|files| [&files.cert, &files.key]).map(|file| look(file)).collect()
}

/// A file that can't be looked at looks like nothing.
fn look(file: &Path) -> Look {
    use std::os::unix::fs::MetadataExt;
    let Ok(data) = std::fs::metadata(file) else { return Look { changed: None, inode: 0, length: 0 } };
    Look { changed: data.modified().ok(), inode: data.ino(), length: data.len() }
}
