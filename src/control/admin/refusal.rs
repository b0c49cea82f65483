//! What is answered when something cannot be done: the thing and the reason, and what helps.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::bus::BusError;

/// The answer to a request that changed nothing.
#[derive(Debug, Serialize)]
pub(super) struct Refusal {
    #[serde(skip)]
    status: StatusCode,
    /// What was asked for, and why it is not done.
    error: String,
    remedy: String,
    #[serde(flatten)]
    floor: Option<Floor>,
}

/// How many backends of stable are up beside one that is asked for, and how many have to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Floor {
    pub(super) up: u32,
    pub(super) needed: u32,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, error: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { status, error: error.into(), remedy: remedy.into(), floor: None }
    }

    /// The request itself is wrong.
    pub(super) fn bad(error: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error, remedy)
    }

    /// As things stand, it cannot be.
    pub(super) fn conflict(error: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, error, remedy)
    }

    pub(super) fn not_found(error: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, error, remedy)
    }

    pub(super) fn with(mut self, floor: Floor) -> Self {
        self.floor = Some(floor);
        self
    }

    #[cfg(test)]
    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    #[cfg(test)]
    pub(super) fn error(&self) -> &str {
        &self.error
    }
}

impl From<BusError> for Refusal {
    fn from(error: BusError) -> Self {
        let text = error.to_string();
        let (status, remedy) = match error {
            BusError::Stopped => (StatusCode::SERVICE_UNAVAILABLE, "the balancer is about to end; ask the next one"),
            BusError::UnknownService(_) => (StatusCode::NOT_FOUND, LISTED),
            BusError::Away => (StatusCode::SERVICE_UNAVAILABLE, "ask again when coalmine_bus_connected is 1"),
            BusError::Leased(_) => (StatusCode::CONFLICT, "wait until it has ended, or let its holder release it"),
            BusError::NoLease => (StatusCode::NOT_FOUND, "ask for a new one: POST /api/v1/services/{name}/lease"),
        };
        Self::new(status, text, remedy)
    }
}

/// Where the names are found that the API takes.
pub(super) const LISTED: &str = "GET /api/v1/services lists them";

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(self)).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_json_with_error_and_remedy_and_numbers_where_they_matter() {
        let refusal = Refusal::conflict("no", "yes");
        assert_eq!(serde_json::to_string(&refusal).unwrap(), r#"{"error":"no","remedy":"yes"}"#);
        let refusal = refusal.with(Floor { up: 1, needed: 2 });
        let json = r#"{"error":"no","remedy":"yes","up":1,"needed":2}"#;
        assert_eq!(serde_json::to_string(&refusal).unwrap(), json);
    }

    #[test]
    fn the_store_being_away_is_not_the_clients_mistake() {
        assert_eq!(Refusal::from(BusError::Away).status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(Refusal::from(BusError::Stopped).status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(Refusal::from(BusError::NoLease).status(), StatusCode::NOT_FOUND);
    }
}
