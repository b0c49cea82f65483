//! Single values: durations, whole numbers, words.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::config::key::Key;
use crate::config::problem::Problems;
use crate::model::in_words;

pub(super) const DAY: Duration = Duration::from_secs(86_400);

/// Any duration that is not nothing.
pub(super) const LASTING: RangeInclusive<Duration> = Duration::from_millis(1)..=DAY;

pub(super) fn duration(
    problems: &mut Problems<'_>,
    key: &Key,
    text: &str,
    range: RangeInclusive<Duration>,
) -> Option<Duration> {
    let bounds = || {
        let [start, end] = [range.start(), range.end()].map(|bound| in_words(*bound));
        format!("{start} to {end}")
    };
    match humantime::parse_duration(text) {
        Ok(duration) if range.contains(&duration) => Some(duration),
        Ok(_) => {
            problems.refuse(key, text, format!("outside {}", bounds()), format!("write a duration from {}", bounds()))
        }
        Err(error) => {
            let remedy = "write a number with a unit, such as \"500ms\", \"10s\" or \"5m\"";
            problems.refuse(key, text, format!("not a duration: {error}"), remedy)
        }
    }
}

/// A whole number of `range`, in the type that the model keeps it in.
pub(super) fn whole<T: TryFrom<i64> + Copy + Display + Into<i64>>(
    problems: &mut Problems<'_>,
    key: &Key,
    number: i64,
    range: RangeInclusive<T>,
) -> Option<T> {
    let (start, end) = (*range.start(), *range.end());
    match T::try_from(number) {
        Ok(value) if (start.into()..=end.into()).contains(&number) => Some(value),
        _ => problems.refuse(
            key,
            number,
            format!("outside {start} to {end}"),
            format!("write a whole number from {start} to {end}"),
        ),
    }
}

/// One of the words of an option.
pub(super) fn word<T: Copy>(problems: &mut Problems<'_>, key: &Key, text: &str, words: &[(&str, T)]) -> Option<T> {
    if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
        return Some(*value);
    }
    let known = words.iter().map(|(word, _)| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
    problems.refuse(key, text, "not one of the known words", format!("write one of {known}"))
}
