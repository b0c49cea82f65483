//! When a failed request is sent again.

use serde::Serialize;

use super::StatusRanges;

/// What `service.retry` says. One retry a request, always on another backend, on stable when there is one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RetrySpec {
    /// Whether PUT and DELETE are repeated as GET, HEAD and OPTIONS are.
    pub idempotent: bool,
    /// Largest body that is kept to be sent again, in bytes.
    pub buffer: usize,
    /// Answers of the canary that are failures to be retried. Empty: none.
    pub canary_statuses: StatusRanges,
    /// The same of stable.
    pub stable_statuses: StatusRanges,
    /// Retries from stable to stable that may run at one time, in percent of the requests that stable works on. What
    /// was not sent yet is not counted.
    pub budget_percent: u32,
    /// So many may run whatever the share.
    pub budget_min: u32,
}

#[cfg(test)]
impl RetrySpec {
    /// The defaults.
    pub(crate) fn specimen() -> Self {
        let statuses = |first| StatusRanges::new(vec![first..=first, 502..=504]).expect("valid statuses");
        Self {
            idempotent: false,
            buffer: 64 * 1024,
            canary_statuses: statuses(500),
            stable_statuses: StatusRanges::new(vec![502..=504]).expect("valid statuses"),
            budget_percent: 20,
            budget_min: 3,
        }
    }
}
