//! What a rule is about.

use crate::config::key::Key;
use crate::config::problem::Problems;
use crate::model::HostMetric;

/// The longest path, in bytes: it becomes a part of every text about it.
const LONGEST_PATH: usize = 255;

/// `checks` are the names of all checks; `None`: they are not known.
pub(super) fn metric(
    problems: &mut Problems<'_>,
    key: &Key,
    text: Option<&str>,
    checks: Option<&[&str]>,
) -> Option<HostMetric> {
    let common = || HostMetric::COMMON.iter().map(|metric| format!("\"{metric}\"")).collect::<Vec<_>>().join(", ");
    let remedy = || format!("write one of {}, \"disk:/path\" or \"check.NAME\"", common());
    let Some(text) = text else { return problems.miss(key, "the rule is about nothing", remedy()) };
    if let Some(metric) = HostMetric::COMMON.into_iter().find(|metric| metric.to_string() == text) {
        return Some(metric);
    }
    if let Some(path) = text.strip_prefix("disk:") {
        let good = path.starts_with('/') && !path.contains(char::is_control) && path.len() <= LONGEST_PATH;
        return if good {
            Some(HostMetric::Disk(path.into()))
        } else {
            problems.refuse(key, text, "not an absolute path", "write a path such as \"disk:/\" or \"disk:/var\"")
        };
    }
    match text.strip_prefix("check.") {
        Some(name) if checks.is_none_or(|checks| checks.contains(&name)) => Some(HostMetric::Check(name.into())),
        Some(name) => {
            let remedy = format!("add a [[check]] with name = \"{name}\", or name one that there is");
            problems.refuse(key, text, "there is no such check", remedy)
        }
        None => problems.refuse(key, text, "not a metric", remedy()),
    }
}
