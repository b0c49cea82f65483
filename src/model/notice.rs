//! A notice: what people and other programs are told of, by mail and by webhook.

use std::sync::Arc;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::ServiceName;

/// One thing that happened. Two notices of one `topic` are about the same thing: the second ends or repeats the first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// What it is about, such as `gate:checkbox` or `rule:web2:cpu`. Unique to the matter, not to the notice.
    pub topic: Arc<str>,
    pub kind: NoticeKind,
    pub severity: Severity,
    /// The balancer or host that says so.
    pub source: Arc<str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceName>,
    /// What happened, such as `ejected`, `readmitted`, `degraded`, `recovered`, `breach`, `rollback`.
    pub event: Arc<str>,
    /// One line for people.
    pub summary: Arc<str>,
    /// Names and values, in the order in which they are shown. One object in JSON.
    #[serde(with = "pairs")]
    pub details: Vec<(Arc<str>, Arc<str>)>,
    /// RFC 3339 in JSON.
    #[serde(with = "time")]
    pub at: SystemTime,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// Something began to be wrong.
    Firing,
    /// It is over.
    Recovered,
    /// Neither: it just happened.
    Info,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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

impl Way {
    pub const ALL: [Self; 2] = [Self::Mail, Self::Webhook];

    /// The same word in the configuration, metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mail => "mail",
            Self::Webhook => "webhook",
        }
    }
}

/// Names and values as one object that keeps their order.
mod pairs {
    use std::fmt;
    use std::sync::Arc;

    use serde::de::{Deserializer, MapAccess, Visitor};
    use serde::ser::Serializer;

    type Pairs = Vec<(Arc<str>, Arc<str>)>;

    pub(super) fn serialize<S: Serializer>(pairs: &Pairs, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(pairs.iter().map(|(name, value)| (name, value)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Pairs, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Pairs::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(pairs)
            }
        }

        deserializer.deserialize_map(Object)
    }
}

/// A time as RFC 3339, to the millisecond.
mod time {
    use std::time::SystemTime;

    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::Serializer;

    pub(super) fn serialize<S: Serializer>(at: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_rfc3339_millis(*at))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SystemTime, D::Error> {
        humantime::parse_rfc3339(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_notice_is_read_back_from_its_json() {
        let notice = Notice {
            topic: "gate:web".into(),
            kind: NoticeKind::Firing,
            severity: Severity::Warning,
            source: "lb1".into(),
            service: ServiceName::new("web"),
            event: "ejected".into(),
            summary: "out".into(),
            details: vec![("z".into(), "1".into()), ("a".into(), "2".into())],
            at: SystemTime::UNIX_EPOCH + Duration::from_millis(1_500),
        };
        let json = serde_json::to_string(&notice).unwrap();
        assert!(json.ends_with(r#""details":{"z":"1","a":"2"},"at":"1970-01-01T00:00:01.500Z"}"#), "{json}");
        assert_eq!(serde_json::from_str::<Notice>(&json).unwrap(), notice);
        assert!(serde_json::from_str::<Notice>(&json.replace("\"web\"", "\"W E B\"")).is_err());
    }
}
