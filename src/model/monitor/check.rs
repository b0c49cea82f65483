//! A check: something of an operator's own that gives a number.

use std::sync::Arc;
use std::time::Duration;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::model::{Endpoint, StatusRanges, in_words};

/// One `[[check]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckSpec {
    /// The metric is `check.<name>`.
    pub name: Arc<str>,
    pub kind: CheckKind,
    /// For the whole of one run.
    pub timeout: Duration,
    /// From the start of one run to that of the next.
    pub interval: Duration,
}

/// How the number is got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckKind {
    /// Runs a program, never through a shell; the first word is its absolute path.
    Exec(Vec<String>),
    /// Asks a URL: 1 when the answer has one of the statuses, else 0.
    Http {
        endpoint: Endpoint,
        /// Path and query.
        path: String,
        expect_status: StatusRanges,
    },
}

impl Serialize for CheckSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &self.name)?;
        match &self.kind {
            CheckKind::Exec(words) => map.serialize_entry("exec", words)?,
            CheckKind::Http { endpoint, path, expect_status } => {
                map.serialize_entry("http", &format!("http://{endpoint}{path}"))?;
                map.serialize_entry("expect_status", expect_status)?;
            }
        }
        map.serialize_entry("timeout", &in_words(self.timeout))?;
        map.serialize_entry("interval", &in_words(self.interval))?;
        map.end()
    }
}
