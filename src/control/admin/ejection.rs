//! The canary out by an operator's hand.

use axum::extract::{Path, State};

use super::Admin;
use super::operator::Operator;
use super::refusal::Refusal;
use super::services::{known, with_canary};
use super::standing::Standing;
use super::wanted::{Said, Wanted};
use crate::bus::{Mark, MarkName};
use crate::model::EjectMark;

/// `PUT`: the canary gets no new request until `DELETE`.
pub(super) async fn eject(
    State(admin): State<Admin>,
    operator: Operator,
    Path(name): Path<String>,
    Wanted(said): Wanted<Said>,
) -> Result<Standing, Refusal> {
    let service = with_canary(known(&admin, &name)?)?;
    let note = said.note();
    let marks = admin.bus.mark(&service.name, Mark::Ejection(EjectMark { note: note.clone() })).await?;
    operator.changed(&service.name, "canary ejected", &note);
    Ok(Standing::marks(&service, marks))
}

/// `DELETE`: the canary may come back, when nothing else keeps it out and it has proved itself.
pub(super) async fn readmit(
    State(admin): State<Admin>,
    operator: Operator,
    Path(name): Path<String>,
    Wanted(said): Wanted<Said>,
) -> Result<Standing, Refusal> {
    let service = known(&admin, &name)?;
    let marks = admin.bus.unmark(&service.name, MarkName::Ejection).await?;
    operator.changed(&service.name, "ejection of the canary ended", &said.note());
    Ok(Standing::marks(&service, marks))
}
