//! The alert by hand.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::Admin;
use crate::bus::BusError;
use crate::model::{Alert, Owners, ServiceName};

/// What stands after a change.
#[derive(Serialize)]
struct Standing {
    service: ServiceName,
    owners: Owners,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    reason: Option<String>,
    by: Option<String>,
}

/// `PUT`: in force when this answers, also while the store is away.
pub(super) async fn raise(State(admin): State<Admin>, Path(name): Path<String>, body: Bytes) -> Response {
    let wanted = match body.trim_ascii() {
        [] => Ok(Wanted::default()),
        text => serde_json::from_slice(text),
    };
    let wanted: Wanted = match wanted {
        Ok(wanted) => wanted,
        Err(error) => {
            let remedy = format!("the body is not `{{\"reason\": \"..\", \"by\": \"..\"}}`: {error}\n");
            return (StatusCode::BAD_REQUEST, remedy).into_response();
        }
    };
    let Some(service) = known(&admin, &name) else { return unknown(&name) };
    let reason = wanted.reason.filter(|reason| !reason.trim().is_empty());
    let alert =
        Alert { reason: reason.unwrap_or_else(|| "raised by hand".to_owned()).into(), by: wanted.by.map(Into::into) };
    let owners = admin.bus.raise(&service, alert).await;
    standing(service, owners)
}

/// `DELETE`: removes the plain key and the API's own; other owners remain and are named.
pub(super) async fn clear(State(admin): State<Admin>, Path(name): Path<String>) -> Response {
    let Some(service) = known(&admin, &name) else { return unknown(&name) };
    let owners = admin.bus.clear(&service).await;
    standing(service, owners)
}

fn known(admin: &Admin, name: &str) -> Option<ServiceName> {
    admin.status.borrow().service(name).map(|service| service.name.clone())
}

fn unknown(name: &str) -> Response {
    let remedy = format!("no service `{}`; GET /api/v1/services lists them\n", name.escape_debug());
    (StatusCode::NOT_FOUND, remedy).into_response()
}

fn standing(service: ServiceName, owners: Result<Owners, BusError>) -> Response {
    match owners {
        Ok(owners) => Json(Standing { service, owners }).into_response(),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
    }
}
