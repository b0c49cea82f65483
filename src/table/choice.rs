//! What decides a request's track before the schedule does.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use http::{HeaderMap, HeaderName};

use super::Pins;
use crate::model::{RuleSpec, TesterSpec};

/// Everything of a service that looks at a request to choose its track. A service that has none of it has no `Choice`,
/// and its requests are not looked at.
#[derive(Debug)]
pub struct Choice {
    pub tester: TesterSpec,
    pub rules: Vec<RuleSpec>,
    pub split_by: Option<HeaderName>,
    /// `None`: no affinity.
    pub pins: Option<Arc<Pins>>,
    /// Whether the service has a canary at all. Where it has none, visitors that were kept on one move to stable for
    /// good.
    pub has_canary: bool,
}

impl Choice {
    /// The ticket of a request that is split by a field instead of by turns. `None`: it has nothing to split by; an
    /// empty value counts as none.
    pub fn fixed_ticket(&self, headers: &HeaderMap) -> Option<u64> {
        let value = headers.get(self.split_by.as_ref()?).filter(|value| !value.is_empty())?;
        Some(fixed_ticket(value.as_bytes()))
    }

    /// Takes off a request what backends must not see: the field that carries the testers' secret.
    pub fn hide_secret(&self, headers: &mut HeaderMap) {
        if let (Some(name), Some(_)) = (&self.tester.header, &self.tester.secret) {
            headers.remove(name);
        }
    }
}

/// The ticket that always stands for `value`, in every balancer and every version: the first eight bytes of its
/// SHA-256, the highest first.
pub fn fixed_ticket(value: &[u8]) -> u64 {
    let hash = digest(&SHA256, value);
    hash.as_ref().iter().take(8).fold(0, |ticket, byte| ticket << 8 | u64::from(*byte))
}
