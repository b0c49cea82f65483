//! Taking one backend out of rotation, and knowing when it is idle.

use std::time::Duration;

use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use serde::Deserialize;
use tokio::time::Instant;

use super::Admin;
use super::operator::Operator;
use super::refusal::Refusal;
use super::services::{backend, known};
use super::standing::{Part, Standing};
use super::wanted::{Body, Said, Wanted, note, only, time};
use crate::bus::{Mark, MarkName};
use crate::control::BackendStatus;
use crate::model::{BackendId, DrainMark, Marks, ServiceName};

/// The longest `wait`.
const MAX_WAIT: Duration = Duration::from_secs(5 * 60);
/// How long the controller may take to route by a mark that the bus has taken.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between two looks at the requests in flight.
const LOOK: Duration = Duration::from_millis(25);

/// The body of `POST .../drain`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Drain {
    #[serde(default)]
    keep_sessions: bool,
    reason: Option<String>,
    by: Option<String>,
}

impl Body for Drain {
    const EXAMPLE: &str = r#"{"keep_sessions": false, "reason": "..", "by": ".."}, or nothing"#;
}

/// `POST .../drain?wait=30s`: no new requests from now on. 200 when the backend is idle, 202 when it is not after
/// `wait`. Who goes away while waiting leaves the drain in force.
pub(super) async fn drain(
    State(admin): State<Admin>,
    operator: Operator,
    Path((name, id)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    Wanted(wanted): Wanted<Drain>,
) -> Result<(StatusCode, Standing), Refusal> {
    let wait = only("wait", query.as_deref())?.unwrap_or("0s");
    let wait = time("wait", wait, Duration::ZERO..=MAX_WAIT)?;
    let service = known(&admin, &name)?;
    let status = backend(&service, &id)?;
    let mark = DrainMark { keep_sessions: wanted.keep_sessions, note: note(wanted.reason, wanted.by) };
    let marks = admin.bus.mark(&service.name, Mark::Drain(status.id.clone(), mark.clone())).await?;
    operator.changed(&service.name, format!("drain of {}", status.id), &mark.note);

    let deadline = Instant::now() + wait;
    let patience = wait.max(PATIENCE);
    let routed_away = routed(&admin, &service.name, &status.id, is_drained(&marks, &status.id), patience).await;
    let idle = routed_away && became_idle(status, deadline).await;
    let code = if idle { StatusCode::OK } else { StatusCode::ACCEPTED };
    let held = known(&admin, &name).is_ok_and(|service| backend(&service, &id).is_ok_and(|backend| backend.drain_held));
    let (backend, in_flight) = (status.id.clone(), status.in_flight.get());
    Ok((code, Standing::of(&service, Part::Backend { backend, draining: true, held, idle, in_flight })))
}

/// `POST .../undrain`: it may get requests again, when it is up.
pub(super) async fn undrain(
    State(admin): State<Admin>,
    operator: Operator,
    Path((name, id)): Path<(String, String)>,
    Wanted(said): Wanted<Said>,
) -> Result<Standing, Refusal> {
    let service = known(&admin, &name)?;
    let status = backend(&service, &id)?;
    let marks = admin.bus.unmark(&service.name, MarkName::Drain(status.id.clone())).await?;
    operator.changed(&service.name, format!("drain of {} ended", status.id), &said.note());

    let draining = is_drained(&marks, &status.id);
    routed(&admin, &service.name, &status.id, draining, PATIENCE).await;
    let (backend, in_flight) = (status.id.clone(), status.in_flight.get());
    let idle = draining && in_flight == 0;
    Ok(Standing::of(&service, Part::Backend { backend, draining, held: false, idle, in_flight }))
}

/// A lease drains as an operator does.
fn is_drained(marks: &Marks, id: &BackendId) -> bool {
    marks.drains.contains_key(id) || marks.lease.as_ref().is_some_and(|lease| lease.backend == *id)
}

/// Waits until the controller routes as the marks say; `false` when it does not in time. The last one that is up goes
/// on for as long as nobody can take over.
async fn routed(admin: &Admin, service: &ServiceName, id: &BackendId, draining: bool, patience: Duration) -> bool {
    let mut status = admin.status.clone();
    let as_marked = status.wait_for(|fleet| {
        let shown = fleet.service(service.as_str()).and_then(|service| backend(service, id.as_str()).ok());
        shown.is_some_and(|backend| backend.draining == draining && !backend.drain_held)
    });
    matches!(tokio::time::timeout(patience, as_marked).await, Ok(Ok(_)))
}

/// Waits until the backend is seen without work twice in a row: a request that was routed just before the drain may not
/// be counted at the first look.
async fn became_idle(backend: &BackendStatus, deadline: Instant) -> bool {
    let mut was_idle = false;
    loop {
        let is_idle = backend.in_flight.get() == 0;
        if is_idle && was_idle {
            return true;
        }
        if !is_idle && Instant::now() >= deadline {
            return false;
        }
        was_idle = is_idle;
        tokio::time::sleep(LOOK).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::admin::services::specimen;
    use crate::model::{LeaseMark, Note};

    #[tokio::test(start_paused = true)]
    async fn a_backend_is_idle_when_its_last_request_has_ended() {
        let service = specimen((1, &["a"]), (1, &[]));
        let backend = backend(&service, "a").unwrap();
        let after = |seconds| Instant::now() + Duration::from_secs(seconds);
        assert!(became_idle(backend, after(0)).await);
        backend.in_flight.inc();
        assert!(!became_idle(backend, after(3)).await);
        let last = backend.in_flight.clone();
        let (idle, ()) = tokio::join!(became_idle(backend, after(3)), async move {
            tokio::time::sleep(Duration::from_secs(2)).await;
            last.dec();
        });
        assert!(idle);
    }

    #[test]
    fn an_operator_or_a_lease_drains_a_backend() {
        let [a, b] = ["a", "b"].map(BackendId::new);
        let drains = [(a.clone(), DrainMark::default())].into();
        let until = std::time::SystemTime::UNIX_EPOCH;
        let lease = LeaseMark { id: "1".into(), backend: b.clone(), until, note: Note::default() };
        let marks = Marks { drains, lease: Some(lease), ..Marks::default() };
        assert!(is_drained(&marks, &a) && is_drained(&marks, &b) && !is_drained(&Marks::default(), &a));
    }
}
