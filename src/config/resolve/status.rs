//! Lists of statuses.

use std::ops::RangeInclusive;

use crate::config::key::Key;
use crate::config::problem::Problems;
use crate::model::StatusRanges;

/// What statuses a list may have, and how to write one.
pub(super) struct Kind {
    range: RangeInclusive<u16>,
    pub(super) remedy: &'static str,
}

/// Any status.
pub(super) const ALL: Kind =
    Kind { range: 100..=599, remedy: "write statuses of 100 to 599, such as \"200\" or \"200-399\"" };

/// Those that say that something went wrong.
pub(super) const ERRORS: Kind =
    Kind { range: 400..=599, remedy: "write statuses of 400 to 599, such as \"500\" or \"502-504\"" };

/// An empty list is no status.
pub(super) fn statuses(
    problems: &mut Problems<'_>,
    key: &Key,
    texts: &[String],
    Kind { range: known, remedy }: &Kind,
) -> Option<StatusRanges> {
    if texts.is_empty() {
        return Some(StatusRanges::none());
    }
    let ranges: Vec<_> = texts
        .iter()
        .enumerate()
        .map(|(index, text)| {
            let (start, end) = text.split_once('-').unwrap_or((text, text));
            let range = start.trim().parse().ok().zip(end.trim().parse().ok()).map(|(start, end)| start..=end);
            let within = |range: &RangeInclusive<u16>| known.contains(range.start()) && known.contains(range.end());
            let valid = range.filter(|range| !range.is_empty() && within(range));
            valid.or_else(|| problems.refuse(&key.index(index), text, "not a status or a range of them", *remedy))
        })
        .collect();
    StatusRanges::new(ranges.into_iter().collect::<Option<_>>()?)
}
