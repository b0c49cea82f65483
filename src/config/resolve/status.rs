//! Lists of statuses.

use crate::config::key::Key;
use crate::config::problem::Problems;
use crate::model::StatusRanges;

pub(super) fn statuses(problems: &mut Problems<'_>, key: &Key, texts: &[String]) -> Option<StatusRanges> {
    let remedy = "write statuses of 100 to 599, such as \"200\" or \"200-399\"";
    if texts.is_empty() {
        return problems.refuse(key, "[]", "no status would be healthy", remedy);
    }
    let ranges: Vec<_> = texts
        .iter()
        .enumerate()
        .map(|(index, text)| {
            let (start, end) = text.split_once('-').unwrap_or((text, text));
            let range = start.trim().parse().ok().zip(end.trim().parse().ok()).map(|(start, end)| start..=end);
            let valid = range.filter(|range| StatusRanges::new(vec![range.clone()]).is_some());
            valid.or_else(|| problems.refuse(&key.index(index), text, "not a status or a range of them", remedy))
        })
        .collect();
    StatusRanges::new(ranges.into_iter().collect::<Option<_>>()?)
}
