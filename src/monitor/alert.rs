//! The text of an alert: what balancers, people and the next life of this agent read. Pure.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::wording;
use crate::model::WatchRule;

/// Reasons of rules in one text, at most: balancers read so much of a text and no more.
const MOST: usize = 8;

/// A breach that stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Breach {
    /// The value that made it one.
    pub(super) value: f64,
    pub(super) since: SystemTime,
}

/// What is written: of several breaches of one service the oldest, with all reasons, and the others after it.
#[derive(Serialize, Deserialize)]
struct Wire {
    reason: String,
    by: String,
    #[serde(flatten)]
    first: One,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    others: Vec<One>,
}

#[derive(Serialize, Deserialize)]
struct One {
    rule: String,
    metric: String,
    value: f64,
    threshold: f64,
    /// RFC 3339.
    since: String,
}

/// The alert of a service for these breaches; `None` without any.
pub(super) fn encode(host: &str, breaches: &[(&WatchRule, Breach)]) -> Option<String> {
    let mut breaches = breaches.to_vec();
    breaches.sort_by_key(|(_, breach)| breach.since);
    breaches.truncate(MOST);
    let reasons: Vec<_> = breaches.iter().map(|(rule, breach)| wording::breach(rule, breach.value)).collect();
    let mut all = breaches.iter().map(|(rule, breach)| One {
        rule: rule.name.to_string(),
        metric: rule.metric.to_string(),
        value: breach.value,
        threshold: rule.threshold,
        // A host whose clock is not set yet may be at the very beginning of it.
        since: humantime::format_rfc3339_millis(breach.since.max(SystemTime::UNIX_EPOCH)).to_string(),
    });
    let first = all.next()?;
    let wire = Wire { reason: reasons.join("; "), by: format!("monitor@{host}"), first, others: all.collect() };
    Some(serde_json::to_string(&wire).expect("text and finite numbers are valid JSON"))
}

/// The rules that an alert names, as [`encode`] wrote it. Text of anybody else names none.
pub(super) fn decode(text: &str) -> Vec<(String, Breach)> {
    let Ok(Wire { first, others, .. }) = serde_json::from_str(text) else { return Vec::new() };
    let breach = |one: One| {
        let since = humantime::parse_rfc3339(&one.since).ok()?;
        Some((one.rule, Breach { value: one.value, since }))
    };
    std::iter::once(first).chain(others).filter_map(breach).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::monitor::specimen;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn an_alert_tells_why_who_and_since_when() {
        let rule = specimen::rule("cpu");
        let text = encode("web2", &[(&rule, Breach { value: 83.0, since: at(60) })]).unwrap();
        assert_eq!(
            text,
            "{\"reason\":\"cpu 83 % above 45 % for 30 s\",\"by\":\"monitor@web2\",\"rule\":\"cpu\",\"metric\":\"cpu\",\
             \"value\":83.0,\"threshold\":45.0,\"since\":\"1970-01-01T00:01:00.000Z\"}"
        );
        assert_eq!(encode("web2", &[]), None);
    }

    #[test]
    fn two_breaches_are_one_alert_with_both_reasons_the_older_first() {
        let (one, two) = (specimen::rule("one"), specimen::rule("two"));
        let (new, old) = (Breach { value: 50.5, since: at(9) }, Breach { value: 99.0, since: at(5) });
        let text = encode("web2", &[(&one, new), (&two, old)]).unwrap();
        assert!(text.contains("cpu 99 % above 45 % for 30 s; cpu 50.5 % above 45 % for 30 s"), "{text}");
        assert_eq!(decode(&text), [("two".to_owned(), old), ("one".to_owned(), new)]);
    }

    #[test]
    fn a_clock_before_1970_is_1970() {
        let rule = specimen::rule("cpu");
        let since = SystemTime::UNIX_EPOCH - Duration::from_secs(20);
        let text = encode("web2", &[(&rule, Breach { value: 83.0, since })]).unwrap();
        assert!(text.contains("1970-01-01T00:00:00.000Z"), "{text}");
    }

    #[test]
    fn what_anybody_else_wrote_names_no_rule() {
        for text in ["", "1", "{\"reason\": \"p99\"}", "[]", "{\"rule\": 5}"] {
            assert_eq!(decode(text), [], "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "\\PC{0,200}") {
            let _ = decode(&text);
        }
    }
}
