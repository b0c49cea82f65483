//! Handshakes, and how long certificates last.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use prometheus::{IntCounter, IntGaugeVec, Registry};

use super::{counter_vec, gauge_vec, names};

/// How a TLS handshake with a client ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handshake {
    Full,
    /// By a ticket or a session of before.
    Resumed,
    Failed,
    Timeout,
}

impl Handshake {
    const ALL: [Self; 4] = [Self::Full, Self::Resumed, Self::Failed, Self::Timeout];

    fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Resumed => "resumed",
            Self::Failed => "failed",
            Self::Timeout => "timeout",
        }
    }
}

/// A counter for each way.
#[derive(Clone)]
pub struct HandshakeMetrics([IntCounter; Handshake::ALL.len()]);

impl HandshakeMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        let family =
            counter_vec(registry, names::TLS_HANDSHAKES, "TLS handshakes with clients, by result.", &["result"]);
        Self(Handshake::ALL.map(|result| family.with_label_values(&[result.as_str()])))
    }

    pub fn count(&self, result: Handshake) {
        self.0[result as usize].inc();
    }
}

#[derive(Clone)]
pub struct CertificateMetrics {
    expiry: IntGaugeVec,
    shown: Arc<Mutex<BTreeSet<String>>>,
}

impl CertificateMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        let help = "When a certificate expires, in seconds since 1970.";
        let expiry = gauge_vec(registry, names::TLS_CERTIFICATE_EXPIRY, help, &["certificate"]);
        Self { expiry, shown: Arc::default() }
    }

    /// Tells of these certificates, by name, and of no others. Of two with one name the one that expires first is told
    /// of.
    pub fn tell<'c>(&self, certificates: impl IntoIterator<Item = (&'c str, SystemTime)>) {
        let mut certificates: Vec<_> = certificates.into_iter().collect();
        certificates.sort_by_key(|(_, expiry)| std::cmp::Reverse(*expiry));
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let gone = std::mem::take(&mut *shown);
        for (name, expiry) in certificates {
            let since_1970 = expiry.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            self.expiry.with_label_values(&[name]).set(i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX));
            shown.insert(name.to_owned());
        }
        for name in gone.difference(&shown) {
            // An error says that it is not there.
            let _ = self.expiry.remove_label_values(&[name]);
        }
    }
}
