//! How a backend's health is asked for.

use std::fmt;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::time::Duration;

use http::StatusCode;
use serde::{Serialize, Serializer};

use super::service::seconds;

/// An active health check, resolved for one track.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProbeSpec {
    #[serde(flatten)]
    pub question: ProbeQuestion,
    /// `Host` to send; empty: the backend's address.
    pub host: String,
    #[serde(serialize_with = "seconds")]
    pub interval: Duration,
    /// For the whole probe, from connect to the last byte that is looked at.
    #[serde(serialize_with = "seconds")]
    pub timeout: Duration,
    /// Failures in a row that take a backend down.
    pub fall: NonZeroU32,
    /// Passes in a row that bring it up again.
    pub rise: NonZeroU32,
}

impl ProbeSpec {
    /// Whether the backends serve gRPC.
    #[must_use]
    pub fn is_grpc(&self) -> bool {
        matches!(self.question, ProbeQuestion::Grpc { .. })
    }
}

/// What is asked, and what the right answer is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum ProbeQuestion {
    Http {
        /// Path and query of the `GET`.
        path: String,
        expect_status: StatusRanges,
        /// Text that the body must contain; empty: any body.
        expect_body: String,
    },
    /// The standard health service, `grpc.health.v1.Health/Check`; the answer has to be SERVING.
    Grpc {
        /// Whose health is asked for; empty: the server's as a whole.
        service: String,
    },
}

/// The statuses that count as healthy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusRanges(Vec<RangeInclusive<u16>>);

impl StatusRanges {
    /// `None` when there is no range, or one is empty or outside 100 to 599.
    pub fn new(ranges: Vec<RangeInclusive<u16>>) -> Option<Self> {
        let valid = !ranges.is_empty()
            && ranges.iter().all(|range| !range.is_empty() && *range.start() >= 100 && *range.end() <= 599);
        valid.then_some(Self(ranges))
    }

    /// No status at all.
    pub fn none() -> Self {
        Self(Vec::new())
    }

    pub fn contains(&self, status: StatusCode) -> bool {
        self.0.iter().any(|range| range.contains(&status.as_u16()))
    }
}

impl fmt::Display for StatusRanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, range) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            if range.start() == range.end() {
                write!(f, "{comma}{}", range.start())?;
            } else {
                write!(f, "{comma}{}-{}", range.start(), range.end())?;
            }
        }
        Ok(())
    }
}

impl Serialize for StatusRanges {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|range| {
            if range.start() == range.end() {
                range.start().to_string()
            } else {
                format!("{}-{}", range.start(), range.end())
            }
        }))
    }
}
