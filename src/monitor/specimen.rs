//! Rules for tests.

use std::time::Duration;

use crate::model::{
    CompatKey, HostMetric, OnLost, ServiceName, Severity, Side, WatchActions, WatchAlert, WatchRule, Way,
};

/// CPU above 45 % for 30 s: an alert of `checkbox` that ends after 60 s, and a mail.
pub(super) fn rule(name: &str) -> WatchRule {
    let alert = WatchAlert { ttl: Duration::from_secs(60), on_lost: OnLost::Clear, compat: Vec::new() };
    WatchRule {
        name: name.into(),
        metric: HostMetric::Cpu,
        side: Side::Above,
        threshold: 45.0,
        clear: 45.0,
        hold: Duration::from_secs(30),
        severity: Severity::Warning,
        actions: WatchActions { service: ServiceName::new("checkbox"), alert: Some(alert), ways: vec![Way::Mail] },
    }
}

/// The same with another ending and old names.
pub(super) fn rule_of(name: &str, service: &str, on_lost: OnLost, compat: &[CompatKey]) -> WatchRule {
    let mut rule = rule(name);
    rule.actions.service = ServiceName::new(service);
    rule.actions.alert = Some(WatchAlert { ttl: Duration::from_secs(90), on_lost, compat: compat.to_vec() });
    rule
}
