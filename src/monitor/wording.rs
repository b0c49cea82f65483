//! Values and breaches in words. Pure.

use std::time::Duration;

use crate::model::{Unit, WatchRule};

/// Why a rule is broken: `cpu 83 % above 45 % for 30 s`.
pub(super) fn breach(rule: &WatchRule, value: f64) -> String {
    let WatchRule { metric, side, threshold, hold, .. } = rule;
    let (value, threshold) = (quantity(value, metric.unit()), quantity(*threshold, metric.unit()));
    let held = if hold.is_zero() { String::new() } else { format!(" for {}", duration(*hold)) };
    format!("{metric} {value} {} {threshold}{held}", side.as_str())
}

/// Why it is not any more: `cpu 31 %`.
pub(super) fn recovery(rule: &WatchRule, value: f64) -> String {
    format!("{} {}", rule.metric, quantity(value, rule.metric.unit()))
}

/// A value with its unit: `83 %`, `45.1 %`, `95 MB`, `1.25`.
pub(super) fn quantity(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Percent => format!("{} %", rounded(value, 1)),
        Unit::Number => rounded(value, 2),
        Unit::Bytes => {
            let units = ["B", "kB", "MB", "GB", "TB"];
            let step = (1..units.len()).take_while(|step| value.abs() >= 1000_f64.powi(exponent(*step))).last();
            let step = step.unwrap_or(0);
            format!("{} {}", rounded(value / 1000_f64.powi(exponent(step)), 1), units[step])
        }
    }
}

fn exponent(step: usize) -> i32 {
    i32::try_from(step).unwrap_or_default()
}

/// Without zeros at its end.
fn rounded(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    text.to_owned()
}

fn duration(duration: Duration) -> String {
    match duration.subsec_millis() {
        0 => format!("{} s", duration.as_secs()),
        _ => format!("{} ms", duration.as_millis()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_has_its_unit_and_no_more_digits_than_are_read() {
        for (value, unit, text) in [
            (83.0, Unit::Percent, "83 %"),
            (45.1, Unit::Percent, "45.1 %"),
            (99.96, Unit::Percent, "100 %"),
            (0.0, Unit::Percent, "0 %"),
            (1234.0, Unit::Number, "1234"),
            (1.256, Unit::Number, "1.26"),
            (999.0, Unit::Bytes, "999 B"),
            (95_400_000.0, Unit::Bytes, "95.4 MB"),
            (1e8, Unit::Bytes, "100 MB"),
            (3.2e15, Unit::Bytes, "3200 TB"),
        ] {
            assert_eq!(quantity(value, unit), text);
        }
        assert_eq!([duration(Duration::from_secs(30)), duration(Duration::from_millis(1500))], ["30 s", "1500 ms"]);
    }
}
