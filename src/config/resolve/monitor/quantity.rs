//! Numbers that values are held against.

use crate::config::key::Key;
use crate::config::problem::Problems;
use crate::config::raw::RawQuantity;
use crate::model::{Side, Unit};

const BYTES: [(&str, f64); 9] = [
    ("KiB", 1024.0),
    ("MiB", 1_048_576.0),
    ("GiB", 1_073_741_824.0),
    ("TiB", 1_099_511_627_776.0),
    ("kB", 1e3),
    ("MB", 1e6),
    ("GB", 1e9),
    ("TB", 1e12),
    ("B", 1.0),
];

/// Where a breach begins and where it ends.
pub(super) struct Bounds {
    pub(super) side: Side,
    pub(super) threshold: f64,
    pub(super) clear: f64,
}

/// The numbers of a rule as written.
pub(super) struct Written<'a> {
    pub(super) above: Option<&'a RawQuantity>,
    pub(super) below: Option<&'a RawQuantity>,
    pub(super) clear: Option<&'a RawQuantity>,
}

pub(super) fn bounds(problems: &mut Problems<'_>, key: &Key, written: &Written<'_>, unit: Unit) -> Option<Bounds> {
    let (side, raw) = match (written.above, written.below) {
        (Some(raw), None) => (Side::Above, raw),
        (None, Some(raw)) => (Side::Below, raw),
        (None, None) => {
            return problems.miss(&key.field("above"), "the rule has no threshold", "write above or below");
        }
        (Some(_), Some(raw)) => {
            let why = "the rule has above as well";
            return problems.refuse(&key.field("below"), shown(raw), why, "make two rules of it");
        }
    };
    let threshold = quantity(problems, &key.field(side.as_str()), raw, unit);
    let clear_key = key.field("clear");
    let clear = written.clear.map(|raw| (raw, quantity(problems, &clear_key, raw, unit)));
    let threshold = threshold?;
    let (raw, clear) = match clear {
        None => return Some(Bounds { side, threshold, clear: threshold }),
        Some((raw, clear)) => (raw, clear?),
    };
    let (beyond, remedy) = match side {
        Side::Above => (clear > threshold, "write a clear that is not greater than above"),
        Side::Below => (clear < threshold, "write a clear that is not less than below"),
    };
    if beyond {
        return problems.refuse(&clear_key, shown(raw), "a value could be bad and good at once", remedy);
    }
    Some(Bounds { side, threshold, clear })
}

fn quantity(problems: &mut Problems<'_>, key: &Key, raw: &RawQuantity, unit: Unit) -> Option<f64> {
    let (number, remedy) = match (raw, unit) {
        (RawQuantity::Number(number), Unit::Percent) => {
            (Some(*number).filter(|number| (0.0..=100.0).contains(number)), "write a number from 0 to 100")
        }
        (RawQuantity::Number(number), Unit::Number) => (Some(*number), "write a number"),
        (RawQuantity::Number(number), Unit::Bytes) => (Some(*number).filter(|number| *number >= 0.0), BYTES_REMEDY),
        (RawQuantity::Text(text), Unit::Bytes) => (bytes(text), BYTES_REMEDY),
        (RawQuantity::Text(_), Unit::Percent) => (None, "write a number from 0 to 100, without quotes"),
        (RawQuantity::Text(_), Unit::Number) => (None, "write a number, without quotes"),
    };
    let number = number.filter(|number| number.is_finite());
    number.or_else(|| problems.refuse(key, shown(raw), "not a value that the metric can have", remedy))
}

const BYTES_REMEDY: &str = "write a number of bytes, or one with a unit: \"100MB\" or \"100MiB\"";

fn bytes(text: &str) -> Option<f64> {
    let (number, factor) = BYTES.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor)))?;
    let number: f64 = number.trim_end().parse().ok()?;
    Some(number * factor).filter(|bytes| *bytes >= 0.0)
}

fn shown(raw: &RawQuantity) -> String {
    match raw {
        RawQuantity::Number(number) => number.to_string(),
        RawQuantity::Text(text) => text.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_a_number_and_a_unit_of_a_thousand_or_1024() {
        assert_eq!(bytes("100MB"), Some(1e8));
        assert_eq!(bytes("100 MiB"), Some(104_857_600.0));
        assert_eq!(bytes("1.5kB"), Some(1500.0));
        assert_eq!(bytes("7B"), Some(7.0));
        for bad in ["100", "MB", "-1MB", "100mb", "100M", "x GiB", ""] {
            assert_eq!(bytes(bad), None, "{bad}");
        }
    }
}
