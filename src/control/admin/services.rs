//! The services as they are, and finding one or a part of one by its name.

use axum::Json;
use axum::extract::{Path, State};

use super::Admin;
use super::refusal::{LISTED, Refusal};
use crate::control::{BackendStatus, FleetStatus, ServiceStatus};

/// `GET /api/v1/services`.
pub(super) async fn all(State(admin): State<Admin>) -> Json<FleetStatus> {
    let status = admin.status.borrow().clone();
    Json(FleetStatus::clone(&status))
}

/// `GET /api/v1/services/{name}`.
pub(super) async fn one(State(admin): State<Admin>, Path(name): Path<String>) -> Result<Json<ServiceStatus>, Refusal> {
    known(&admin, &name).map(Json)
}

/// The service as it is now.
pub(super) fn known(admin: &Admin, name: &str) -> Result<ServiceStatus, Refusal> {
    let found = admin.status.borrow().service(name).cloned();
    found.ok_or_else(|| Refusal::not_found(format!("no service `{}`", name.escape_debug()), LISTED))
}

/// A change that is about the canary needs one.
pub(super) fn with_canary(service: ServiceStatus) -> Result<ServiceStatus, Refusal> {
    if service.tracks.canary.is_some() {
        return Ok(service);
    }
    let error = format!("service `{}` has no canary: stable takes every request", service.name);
    Err(Refusal::conflict(error, "add [service.canary] to the configuration"))
}

/// A backend of either track.
pub(super) fn backend<'a>(service: &'a ServiceStatus, id: &str) -> Result<&'a BackendStatus, Refusal> {
    let mut all = backends(service);
    all.find(|backend| backend.id.as_str() == id).ok_or_else(|| {
        let error = format!("service `{}` has no backend `{}`", service.name, id.escape_debug());
        Refusal::not_found(error, format!("it has {}", listed(backends(service))))
    })
}

/// The ids of `backends`, for a message.
pub(super) fn listed<'a>(backends: impl Iterator<Item = &'a BackendStatus>) -> String {
    let ids: Vec<_> = backends.map(|backend| format!("`{}`", backend.id)).collect();
    ids.join(", ")
}

fn backends(service: &ServiceStatus) -> impl Iterator<Item = &BackendStatus> {
    let canary = service.tracks.canary.iter().flat_map(|canary| &canary.backends);
    service.tracks.stable.backends.iter().chain(canary)
}

/// The service `web` with these weights and backends, all of them up.
#[cfg(test)]
pub(super) fn specimen(stable: (u16, &[&str]), canary: (u16, &[&str])) -> ServiceStatus {
    use crate::control::specimen;
    use crate::metrics::Metrics;

    let fleet = FleetStatus::new(&specimen::healthy(stable, canary), 1, &Metrics::new().data, specimen::moment());
    fleet.service("web").unwrap().clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_backend_is_answered_with_those_that_there_are() {
        let service = specimen((2, &["a", "10.0.0.1:80"]), (1, &["c"]));
        assert_eq!(backend(&service, "10.0.0.1:80").unwrap().id.as_str(), "10.0.0.1:80");
        assert_eq!(backend(&service, "c").unwrap().id.as_str(), "c");
        let refusal = serde_json::to_value(backend(&service, "d\n").unwrap_err()).unwrap();
        assert_eq!(refusal["error"], "service `web` has no backend `d\\n`");
        assert_eq!(refusal["remedy"], "it has `a`, `10.0.0.1:80`, `c`");
    }

    #[test]
    fn a_service_without_a_canary_is_told_so() {
        assert!(with_canary(specimen((1, &["a"]), (1, &["b"]))).is_ok());
        assert!(with_canary(specimen((1, &["a"]), (1, &[]))).unwrap_err().error().contains("no canary"));
    }
}
