//! Leave to take one backend of stable down, for one at a time and only while enough others are up.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;

use super::Admin;
use super::operator::Operator;
use super::refusal::{Floor, Refusal};
use super::services::{backend, known, listed};
use super::standing::{Part, Standing};
use super::wanted::{Body, Said, Wanted, note, time};
use crate::control::{BackendStatus, ServiceStatus};
use crate::model::{BackendId, Health, LeaseMark};

const MIN_TTL: Duration = Duration::from_secs(1);
const MAX_TTL: Duration = Duration::from_secs(60 * 60);
const TTL: &str = "60s";

/// The body of `POST`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Lease {
    backend: String,
    ttl: Option<String>,
    reason: Option<String>,
    by: Option<String>,
}

impl Body for Lease {
    const EXAMPLE: &str = r#"{"backend": "web2", "ttl": "60s"}, and "reason" and "by" if you like"#;
}

/// The body of `PUT`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Renewal {
    ttl: Option<String>,
}

impl Body for Renewal {
    const EXAMPLE: &str = r#"{"ttl": "60s"}, or nothing"#;
}

/// `POST`: 201 with the id that renews and ends it. Who goes away before the answer may leave a lease that ends by
/// itself.
pub(super) async fn grant(
    State(admin): State<Admin>,
    operator: Operator,
    Path(name): Path<String>,
    Wanted(wanted): Wanted<Lease>,
) -> Result<(StatusCode, Standing), Refusal> {
    let ttl = ttl(wanted.ttl.as_deref())?;
    let service = known(&admin, &name)?;
    let backend = of_stable(&service, &wanted.backend)?.id.clone();
    room(&service, &backend)?;
    let note = note(wanted.reason, wanted.by);
    let lease = LeaseMark { id: new_id()?, backend, until: SystemTime::now() + ttl, note };
    let lease = admin.bus.lease(&service.name, lease).await?;

    // Another may have gone down while the store was asked.
    let floor = match known(&admin, &name).and_then(|service| room(&service, &lease.backend)) {
        Ok(floor) => floor,
        Err(refusal) => {
            if let Err(error) = admin.bus.release(&service.name, &lease.id).await {
                let until = humantime::format_rfc3339_seconds(lease.until);
                tracing::warn!(service = %service.name, %error, %until, "a lease could not be given back");
            }
            return Err(refusal);
        }
    };
    operator.changed(&service.name, told("granted for", &lease.backend, floor), &lease.note);
    Ok((StatusCode::CREATED, Standing::of(&service, Part::Lease { lease, floor })))
}

/// `PUT`: it ends `ttl` from now.
pub(super) async fn renew(
    State(admin): State<Admin>,
    operator: Operator,
    Path((name, id)): Path<(String, String)>,
    Wanted(wanted): Wanted<Renewal>,
) -> Result<Standing, Refusal> {
    let ttl = ttl(wanted.ttl.as_deref())?;
    let service = known(&admin, &name)?;
    let lease = admin.bus.renew(&service.name, &id, SystemTime::now() + ttl).await?;
    let floor = floor(&service, &lease.backend);
    operator.changed(&service.name, told("renewed for", &lease.backend, floor), &lease.note);
    Ok(Standing::of(&service, Part::Lease { lease, floor }))
}

/// `DELETE`: the backend may get requests again, and another lease be asked for.
pub(super) async fn release(
    State(admin): State<Admin>,
    operator: Operator,
    Path((name, id)): Path<(String, String)>,
    Wanted(said): Wanted<Said>,
) -> Result<Standing, Refusal> {
    let service = known(&admin, &name)?;
    admin.bus.release(&service.name, &id).await?;
    operator.changed(&service.name, "lease released", &said.note());
    Ok(Standing::of(&service, Part::Released { released: id.into() }))
}

fn ttl(text: Option<&str>) -> Result<Duration, Refusal> {
    time("ttl", text.unwrap_or(TTL), MIN_TTL..=MAX_TTL)
}

fn told(what: &str, backend: &BackendId, Floor { up, needed }: Floor) -> String {
    format!("lease {what} {backend}, {up} others up, {needed} needed")
}

/// 128 random bits: whoever knows them may end the lease.
fn new_id() -> Result<Arc<str>, Refusal> {
    let mut bits = [0; 16];
    let filled = rustls::crypto::aws_lc_rs::default_provider().secure_random.fill(&mut bits);
    filled.map_err(|_| {
        let error = "a lease needs a random id, and the system gave no random bits";
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, error, "ask again")
    })?;
    Ok(format!("{:032x}", u128::from_be_bytes(bits)).into())
}

fn of_stable<'a>(service: &'a ServiceStatus, id: &str) -> Result<&'a BackendStatus, Refusal> {
    let stable = &service.tracks.stable.backends;
    if let Some(found) = stable.iter().find(|backend| backend.id.as_str() == id) {
        return Ok(found);
    }
    let canary = backend(service, id)?;
    let error = format!("`{}` is of the canary, and a lease is for a backend of stable", canary.id);
    Err(Refusal::conflict(error, format!("drain it; stable has {}", listed(stable.iter()))))
}

/// Whether `backend` may go.
fn room(service: &ServiceStatus, backend: &BackendId) -> Result<Floor, Refusal> {
    let floor = floor(service, backend);
    if floor.up >= floor.needed {
        return Ok(floor);
    }
    let Floor { up, needed } = floor;
    let error = format!("`{backend}` cannot go: {up} other backends of stable are up, and {needed} have to be");
    let remedy = "wait until more are up, or lower service.stable.min_up";
    Err(Refusal::conflict(error, remedy).with(floor))
}

fn floor(service: &ServiceStatus, backend: &BackendId) -> Floor {
    let others = service.tracks.stable.backends.iter().filter(|other| other.id != *backend);
    let up = others.filter(|other| is_up(other)).count();
    Floor { up: u32::try_from(up).unwrap_or(u32::MAX), needed: service.min_up }
}

/// It is known to be up and gets requests: a backend that was never probed, or that live traffic or a lease still keeps
/// out, holds nobody's place.
fn is_up(backend: &BackendStatus) -> bool {
    backend.state == Health::Up && backend.routed && !backend.draining
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::admin::services::specimen;

    fn id(name: &str) -> BackendId {
        BackendId::new(name)
    }

    #[test]
    fn one_may_go_while_all_others_are_up() {
        let mut service = specimen((2, &["a", "b", "c"]), (1, &["d"]));
        assert_eq!(room(&service, &id("a")).unwrap(), Floor { up: 2, needed: 2 });
        service.tracks.stable.backends[1].state = Health::Down;
        assert!(room(&service, &id("b")).is_ok(), "the one that is down may go");
        let refusal = serde_json::to_value(room(&service, &id("a")).unwrap_err()).unwrap();
        assert_eq!((refusal["up"].as_u64(), refusal["needed"].as_u64()), (Some(1), Some(2)));
    }

    #[test]
    fn who_drains_or_was_never_probed_is_not_up() {
        let mut service = specimen((2, &["a", "b", "c"]), (1, &[]));
        service.tracks.stable.backends[1].draining = true;
        assert!(room(&service, &id("a")).is_err());
        service.tracks.stable.backends[1].draining = false;
        service.tracks.stable.backends[1].routed = false;
        assert!(room(&service, &id("a")).is_err(), "live traffic keeps it out");
        service.tracks.stable.backends[1].routed = true;
        service.tracks.stable.backends[2].state = Health::Unknown;
        assert!(room(&service, &id("a")).is_err());
        service.min_up = 1;
        assert!(room(&service, &id("a")).is_ok());
    }

    #[test]
    fn only_a_backend_of_stable_is_leased() {
        let service = specimen((2, &["a"]), (1, &["d"]));
        assert!(of_stable(&service, "a").is_ok());
        assert_eq!(of_stable(&service, "d").unwrap_err().status(), StatusCode::CONFLICT);
        assert_eq!(of_stable(&service, "x").unwrap_err().status(), StatusCode::NOT_FOUND);
    }

    #[test]
    fn a_lease_lasts_a_second_to_an_hour() {
        assert_eq!(ttl(None).unwrap(), Duration::from_secs(60));
        assert!(ttl(Some("1h")).is_ok() && ttl(Some("1s")).is_ok());
        assert!(ttl(Some("0s")).is_err() && ttl(Some("61m")).is_err());
    }

    #[test]
    fn no_two_ids_are_the_same() {
        let (one, two) = (new_id().unwrap(), new_id().unwrap());
        assert_ne!(one, two);
        assert!(one.len() == 32 && one.bytes().all(|digit| digit.is_ascii_hexdigit()), "{one}");
    }
}
