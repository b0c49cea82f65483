//! What is answered to every change: what stands after it.

use std::sync::Arc;

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::refusal::Floor;
use crate::control::ServiceStatus;
use crate::model::{BackendId, LeaseMark, Marks, Owners, ServiceName};

/// The part of a service that a change was about.
#[derive(Debug, Serialize)]
pub(super) struct Standing {
    service: ServiceName,
    #[serde(flatten)]
    part: Part,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Part {
    /// Every standing alert by its owner.
    Alerts {
        owners: Owners,
    },
    Marks {
        #[serde(serialize_with = "crate::control::public::marks")]
        marks: Marks,
        configured: Weights,
    },
    Backend {
        backend: BackendId,
        draining: bool,
        /// It gets new requests all the same, since nothing else of the service is up.
        held: bool,
        /// It is sent nothing new by this balancer, and works on nothing of it.
        idle: bool,
        in_flight: i64,
    },
    Lease {
        #[serde(flatten)]
        lease: LeaseMark,
        #[serde(flatten)]
        floor: Floor,
    },
    Released {
        released: Arc<str>,
    },
}

/// What the file says.
#[derive(Debug, Serialize)]
pub(super) struct Weights {
    stable: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    canary: Option<u32>,
}

impl Standing {
    pub(super) fn of(service: &ServiceStatus, part: Part) -> Self {
        Self { service: service.name.clone(), part }
    }

    pub(super) fn marks(service: &ServiceStatus, marks: Marks) -> Self {
        let tracks = &service.tracks;
        let configured = Weights {
            stable: tracks.stable.configured_weight,
            canary: tracks.canary.as_ref().map(|canary| canary.configured_weight),
        };
        Self::of(service, Part::Marks { marks, configured })
    }
}

impl IntoResponse for Standing {
    fn into_response(self) -> Response {
        Json(self).into_response()
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use serde_json::{Value, json};

    use super::*;
    use crate::control::admin::services;
    use crate::model::{DrainMark, Note, Weight, WeightMark};

    #[test]
    fn what_stands_is_said_beside_the_name_of_the_service() {
        let service = services::specimen((2, &["a", "b"]), (1, &["c"]));
        let shown = |standing: Standing| serde_json::to_value(standing).unwrap();
        let note = Note { reason: Some("try".into()), by: None };
        let weights = WeightMark { stable: Weight::new(9).unwrap(), canary: Weight::new(1).unwrap(), note };
        let drains = [(BackendId::new("a"), DrainMark::default())].into();
        let marks = Marks { weights: Some(weights), drains, ..Marks::default() };
        let marks = shown(Standing::marks(&service, marks));
        assert_eq!((&marks["service"], &marks["configured"]), (&json!("web"), &json!({"stable": 2, "canary": 1})));
        assert_eq!(marks["marks"]["weights"], json!({"stable": 9, "canary": 1, "reason": "try"}));
        assert_eq!(marks["marks"]["drains"]["a"]["keep_sessions"], false);

        assert_eq!(marks["marks"].get("lease"), Some(&Value::Null));

        let (id, backend) = ("1f".into(), BackendId::new("b"));
        let lease = LeaseMark { id, backend, until: SystemTime::UNIX_EPOCH, note: Note::default() };
        let seen = Marks { lease: Some(lease.clone()), ..Marks::default() };
        let expected = json!({"backend": "b", "until": "1970-01-01T00:00:00.000Z"});
        assert_eq!(shown(Standing::marks(&service, seen))["marks"]["lease"], expected, "only its holder knows its id");
        let lease = shown(Standing::of(&service, Part::Lease { lease, floor: Floor { up: 1, needed: 1 } }));
        let expected: Value = json!({
            "service": "web", "id": "1f", "backend": "b", "until": "1970-01-01T00:00:00.000Z", "up": 1, "needed": 1
        });
        assert_eq!(lease, expected);
    }
}
