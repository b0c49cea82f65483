//! What decides a request's track before the schedule does.

use std::sync::Arc;

use http::HeaderName;

use super::Pins;
use crate::model::{RuleSpec, TesterSpec};

/// Everything of a service that looks at a request to choose its track. A service that has none of it has no `Choice`,
/// and its requests are not looked at.
#[derive(Debug)]
pub struct Choice {
    pub tester: TesterSpec,
    pub rules: Vec<RuleSpec>,
    pub split_by: Option<HeaderName>,
    /// `None`: no affinity.
    pub pins: Option<Arc<Pins>>,
}
