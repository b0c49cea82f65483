//! `[service.retry]`.

use super::scalar::whole;
use super::status::{ERRORS, statuses};
use crate::config::key::Key;
use crate::config::problem::Problems;
use crate::config::raw::RawRetry;
use crate::model::RetrySpec;

pub(super) fn retry(problems: &mut Problems<'_>, key: &Key, raw: &RawRetry) -> Option<RetrySpec> {
    let buffer = whole(problems, &key.field("buffer"), raw.buffer, 0..=1_048_576_u32);
    let canary_statuses = statuses(problems, &key.field("canary_statuses"), &raw.canary_statuses, &ERRORS);
    let stable_statuses = statuses(problems, &key.field("stable_statuses"), &raw.stable_statuses, &ERRORS);
    let budget_percent = whole(problems, &key.field("budget_percent"), raw.budget_percent, 0..=100_u32);
    let budget_min = whole(problems, &key.field("budget_min"), raw.budget_min, 0..=1000_u32);
    Some(RetrySpec {
        idempotent: raw.idempotent,
        buffer: buffer.and_then(|bytes| usize::try_from(bytes).ok())?,
        canary_statuses: canary_statuses?,
        stable_statuses: stable_statuses?,
        budget_percent: budget_percent?,
        budget_min: budget_min?,
    })
}
