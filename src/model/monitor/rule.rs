//! A rule: which values of a metric are too many for how long, and what is done about it.

use std::sync::Arc;
use std::time::Duration;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::HostMetric;
use crate::model::{CompatKey, ServiceName, Severity, Way, in_words};

/// One `[[rule]]` of an agent. Its numbers are finite, and `clear` never lies beyond `threshold`.
#[derive(Clone, Debug, PartialEq)]
pub struct WatchRule {
    /// Unique among the rules of the agent.
    pub name: Arc<str>,
    pub metric: HostMetric,
    pub side: Side,
    /// A value strictly beyond it breaks the rule.
    pub threshold: f64,
    /// A value at it, or on its good side, ends a breach.
    pub clear: f64,
    /// How long the value has to lie beyond the threshold, without a break.
    pub hold: Duration,
    pub severity: Severity,
    pub actions: WatchActions,
}

impl Eq for WatchRule {}

/// Which values are bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Above,
    Below,
}

impl Side {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Above => "above",
            Self::Below => "below",
        }
    }
}

/// What follows from a breach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchActions {
    /// The service that the rule is about.
    pub service: Option<ServiceName>,
    /// Stops the canary of the service. Always with a service.
    pub alert: Option<WatchAlert>,
    /// Who is told.
    pub ways: Vec<Way>,
}

/// How an alert stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchAlert {
    /// Renewed well before.
    pub ttl: Duration,
    pub on_lost: OnLost,
    /// Old names that are written as well.
    pub compat: Vec<CompatKey>,
}

/// What becomes of an alert whose agent is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnLost {
    /// It ends with its time.
    Clear,
    /// It has no end.
    Keep,
}

impl Serialize for WatchRule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &self.name)?;
        map.serialize_entry("metric", &self.metric)?;
        map.serialize_entry(self.side.as_str(), &self.threshold)?;
        map.serialize_entry("clear", &self.clear)?;
        map.serialize_entry("for", &in_words(self.hold))?;
        if let Some(service) = &self.actions.service {
            map.serialize_entry("service", service)?;
        }
        map.serialize_entry("severity", &self.severity)?;
        let mut actions = if self.actions.alert.is_some() { vec!["alert"] } else { Vec::new() };
        actions.extend(self.actions.ways.iter().map(|way| match way {
            Way::Mail => "mail",
            Way::Webhook => "webhook",
        }));
        map.serialize_entry("actions", &actions)?;
        if let Some(WatchAlert { ttl, on_lost, compat }) = &self.actions.alert {
            map.serialize_entry("ttl", &in_words(*ttl))?;
            map.serialize_entry("on_lost", on_lost)?;
            map.serialize_entry("compat", compat)?;
        }
        map.end()
    }
}
