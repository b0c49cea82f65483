//! The alert by hand.

use axum::extract::{Path, State};

use super::Admin;
use super::operator::Operator;
use super::refusal::Refusal;
use super::services::known;
use super::standing::{Part, Standing};
use super::wanted::{Said, Wanted};
use crate::model::Alert;

/// `PUT`: in force when this answers, also while the store is away.
pub(super) async fn raise(
    State(admin): State<Admin>,
    operator: Operator,
    Path(name): Path<String>,
    Wanted(said): Wanted<Said>,
) -> Result<Standing, Refusal> {
    let service = known(&admin, &name)?;
    let note = said.note();
    let reason = note.reason.clone().unwrap_or_else(|| "raised by hand".into());
    let owners = admin.bus.raise(&service.name, Alert { reason, by: note.by.clone() }).await?;
    operator.changed(&service.name, "alert raised", &note);
    Ok(Standing::of(&service, Part::Alerts { owners }))
}

/// `DELETE`: removes the plain key and the API's own; other owners remain and are named.
pub(super) async fn clear(
    State(admin): State<Admin>,
    operator: Operator,
    Path(name): Path<String>,
    Wanted(said): Wanted<Said>,
) -> Result<Standing, Refusal> {
    let service = known(&admin, &name)?;
    let owners = admin.bus.clear(&service.name).await?;
    operator.changed(&service.name, "alert cleared", &said.note());
    Ok(Standing::of(&service, Part::Alerts { owners }))
}
