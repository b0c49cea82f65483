//! What people and other programs are told of a rule. Pure.

use std::sync::Arc;
use std::time::SystemTime;

use super::rule::Transition;
use super::wording;
use crate::model::{Notice, NoticeKind, WatchRule};

/// The one notice of a transition.
pub(super) fn of(host: &str, rule: &WatchRule, transition: Transition, at: SystemTime) -> Notice {
    let unit = rule.metric.unit();
    let (kind, event, what, value) = match transition {
        Transition::Breach { value, .. } => (NoticeKind::Firing, "breach", wording::breach(rule, value), value),
        Transition::Recovered { value } | Transition::Kept { value } => {
            let what = format!("{}: rule {} is kept again", wording::recovery(rule, value), rule.name);
            (NoticeKind::Recovered, "recovered", what, value)
        }
    };
    let detail = |name: &str, value: String| (Arc::from(name), Arc::from(value));
    Notice {
        topic: format!("rule:{host}:{}", rule.name).into(),
        kind,
        severity: rule.severity,
        source: host.into(),
        service: rule.actions.service.clone(),
        event: event.into(),
        summary: format!("{host}: {what}").into(),
        details: vec![
            detail("rule", rule.name.to_string()),
            detail("metric", rule.metric.to_string()),
            detail("value", wording::quantity(value, unit)),
            detail("threshold", format!("{} {}", rule.side.as_str(), wording::quantity(rule.threshold, unit))),
        ],
        at,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::monitor::specimen;

    #[test]
    fn a_breach_and_its_recovery_are_one_matter() {
        let rule = specimen::rule("cpu");
        let at = SystemTime::UNIX_EPOCH;
        let breach = of("web2", &rule, Transition::Breach { value: 83.0, lasted: Duration::from_secs(30) }, at);
        let recovery = of("web2", &rule, Transition::Recovered { value: 31.25 }, at);
        assert_eq!((&*breach.topic, &breach.topic), ("rule:web2:cpu", &recovery.topic));
        assert_eq!((breach.kind, recovery.kind), (NoticeKind::Firing, NoticeKind::Recovered));
        assert_eq!(&*breach.summary, "web2: cpu 83 % above 45 % for 30 s");
        assert_eq!(&*recovery.summary, "web2: cpu 31.2 %: rule cpu is kept again");
        assert_eq!(breach.service.as_ref().map(|service| service.as_str()), Some("checkbox"));
        let value = recovery.details.iter().find(|(name, _)| &**name == "value");
        assert_eq!(value.map(|(_, value)| &**value), Some("31.2 %"));
    }
}
