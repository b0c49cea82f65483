//! Any text is an alert, but for a few words.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{MAX_NAME, MAX_REASON, is_clear, one_line, some_line};
use crate::model::{Alert, Owner};

const NO_REASON: &str = "no reason given";

/// The JSON form of an alert.
#[derive(Deserialize, Serialize)]
struct Wire {
    #[serde(default, skip_serializing_if = "Value::is_null")]
    reason: Value,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    by: Value,
}

/// What the first [`super::MAX_VALUE`] bytes of a value say; `None` means no alert.
pub(in crate::bus) fn value(bytes: &[u8]) -> Option<Alert> {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim();
    if is_clear(bytes, text) {
        return None;
    }
    let wire = text.starts_with('{').then(|| serde_json::from_str::<Wire>(text).ok()).flatten();
    Some(match wire {
        Some(Wire { reason: Value::Null, by }) => bounded(text, by.as_str()),
        Some(Wire { reason: Value::String(reason), by }) => bounded(&reason, by.as_str()),
        Some(Wire { reason, by }) => bounded(&reason.to_string(), by.as_str()),
        None => bounded(text, None),
    })
}

/// A key that holds something that cannot be an alert still is one: whoever wrote it meant something by it.
pub(in crate::bus) fn wrong_type() -> Alert {
    bounded("the key holds a value of a wrong type", None)
}

/// An alert as it is kept: the reason on one line, not empty, and everything bounded.
pub(in crate::bus) fn bounded(reason: &str, by: Option<&str>) -> Alert {
    let reason = one_line(reason, MAX_REASON);
    let by = by.and_then(|by| some_line(by, MAX_NAME));
    Alert { reason: if reason.is_empty() { NO_REASON.into() } else { reason.into() }, by }
}

/// The owner that the rest of a key names.
pub(in crate::bus) fn owner(rest: &[u8]) -> Owner {
    one_line(&String::from_utf8_lossy(rest), MAX_NAME).into()
}

/// The text that [`value`] reads back as the same alert, if it is [`bounded`].
pub(in crate::bus) fn encode(alert: &Alert) -> String {
    let by = alert.by.as_deref().map_or(Value::Null, Value::from);
    let wire = Wire { reason: Value::from(&*alert.reason), by };
    serde_json::to_string(&wire).expect("two strings are valid JSON")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::MAX_VALUE;
    use super::*;

    fn reason(text: &str) -> Option<String> {
        value(text.as_bytes()).map(|alert| alert.reason.to_string())
    }

    #[test]
    fn the_words_for_no_alert_mean_none_in_any_case_and_padding() {
        for clear in ["", " ", "0", "false", "no", "off", "clear", "FALSE", " No\r\n", "\tCLEAR "] {
            assert_eq!(value(clear.as_bytes()), None, "{clear:?}");
        }
    }

    #[test]
    fn any_other_text_is_an_alert_with_itself_as_the_reason() {
        for text in ["1", "yes", "none", "00", "no alert", "null", "[]", "{", "{not json}"] {
            assert_eq!(reason(text).as_deref(), Some(text));
        }
        assert_eq!(reason("  cpu at 97 %\n").as_deref(), Some("cpu at 97 %"));
    }

    #[test]
    fn a_json_object_gives_reason_and_raiser() {
        let alert = value(br#" {"reason": "p99", "by": "monitor", "more": [1]} "#).unwrap();
        assert_eq!((&*alert.reason, alert.by.as_deref()), ("p99", Some("monitor")));
        assert_eq!(reason(r#"{"reason": "no"}"#).as_deref(), Some("no"), "an object always is an alert");
        assert_eq!(reason(r#"{"reason": 5}"#).as_deref(), Some("5"));
        assert_eq!(reason(r#"{"reason": ""}"#).as_deref(), Some(NO_REASON));
        assert_eq!(reason(r#"{"by": "x"}"#).as_deref(), Some(r#"{"by": "x"}"#));
    }

    #[test]
    fn control_characters_and_length_are_tamed() {
        assert_eq!(reason("a\nb\u{1b}[31mc").as_deref(), Some("a b\u{fffd}[31mc"));
        assert_eq!(reason(&"ä".repeat(5000)).map(|reason| reason.chars().count()), Some(MAX_REASON));
        assert!(value(&[b' '; MAX_VALUE]).is_some(), "a value that was cut off may go on after the blanks");
        assert!(value(&[0xff, 0xfe]).is_some());
    }

    proptest! {
        #[test]
        fn every_value_is_read_without_panic_and_bounded(bytes in proptest::collection::vec(any::<u8>(), 0..1000)) {
            if let Some(alert) = value(&bytes) {
                prop_assert!(!alert.reason.is_empty() && alert.reason.chars().count() <= MAX_REASON);
                prop_assert!(!alert.reason.chars().any(char::is_control));
            }
        }

        #[test]
        fn what_is_written_is_read_back_the_same(
            reason in "\\PC{0,700}|.{0,700}",
            by in proptest::option::of(".{0,200}"),
        ) {
            let alert = bounded(&reason, by.as_deref());
            let text = encode(&alert);
            prop_assert!(text.len() < MAX_VALUE);
            prop_assert_eq!(value(text.as_bytes()), Some(alert));
        }
    }
}
