//! A notice: what people and other programs are told of, by mail and by webhook.

use std::sync::Arc;
use std::time::SystemTime;

use serde::Serialize;

use super::ServiceName;

/// One thing that happened. Two notices of one `topic` are about the same thing: the second ends or repeats the first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Notice {
    /// What it is about, such as `gate:checkbox` or `rule:web2:cpu`. Unique to the matter, not to the notice.
    pub topic: Arc<str>,
    pub kind: NoticeKind,
    pub severity: Severity,
    /// The balancer or host that says so.
    pub source: Arc<str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceName>,
    /// What happened, such as `ejected`, `readmitted`, `degraded`, `recovered`, `breach`, `rollback`.
    pub event: Arc<str>,
    /// One line for people.
    pub summary: Arc<str>,
    /// Names and values, in the order in which they are shown.
    pub details: Vec<(Arc<str>, Arc<str>)>,
    pub at: SystemTime,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// Something began to be wrong.
    Firing,
    /// It is over.
    Recovered,
    /// Neither: it just happened.
    Info,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Info,
    Warning,
    Critical,
}

/// The ways that a notice can go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    Mail,
    Webhook,
}
