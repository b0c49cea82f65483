//! Other weights than the file's.

use axum::extract::{Path, State};
use serde::Deserialize;

use super::Admin;
use super::operator::Operator;
use super::refusal::Refusal;
use super::services::{known, with_canary};
use super::standing::Standing;
use super::wanted::{Body, Said, Wanted, note};
use crate::bus::{Mark, MarkName};
use crate::model::{Weight, WeightMark};

/// The body of `PUT`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Split {
    stable: Weight,
    canary: Weight,
    reason: Option<String>,
    by: Option<String>,
}

impl Body for Split {
    const EXAMPLE: &str = r#"{"stable": 9, "canary": 1}, each 0 to 1000, and "reason" and "by" if you like"#;
}

impl Split {
    fn mark(self) -> Result<WeightMark, Refusal> {
        if self.stable.get() + self.canary.get() == 0 {
            return Err(Refusal::bad("weights 0:0 leave no track for a request", "give one of them more than 0"));
        }
        Ok(WeightMark { stable: self.stable, canary: self.canary, note: note(self.reason, self.by) })
    }
}

/// `PUT`: overrides the weights of the file until `DELETE`, reloads included.
pub(super) async fn set(
    State(admin): State<Admin>,
    operator: Operator,
    Path(name): Path<String>,
    Wanted(split): Wanted<Split>,
) -> Result<Standing, Refusal> {
    let service = with_canary(known(&admin, &name)?)?;
    let mark = split.mark()?;
    let marks = admin.bus.mark(&service.name, Mark::Weights(mark.clone())).await?;
    let change = format!("weights {}:{}", mark.stable.get(), mark.canary.get());
    operator.changed(&service.name, change, &mark.note);
    Ok(Standing::marks(&service, marks))
}

/// `DELETE`: the file's weights hold again.
pub(super) async fn reset(
    State(admin): State<Admin>,
    operator: Operator,
    Path(name): Path<String>,
    Wanted(said): Wanted<Said>,
) -> Result<Standing, Refusal> {
    let service = known(&admin, &name)?;
    let marks = admin.bus.unmark(&service.name, MarkName::Weights).await?;
    operator.changed(&service.name, "weights as in the file", &said.note());
    Ok(Standing::marks(&service, marks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_0_to_1000_and_not_both_0() {
        let mark = |text: &str| serde_json::from_str::<Split>(text).ok().and_then(|split| split.mark().ok());
        let nine = mark(r#"{"stable": 9, "canary": 1, "by": "ops"}"#).unwrap();
        assert_eq!((nine.stable.get(), nine.canary.get(), nine.note.by.as_deref()), (9, 1, Some("ops")));
        assert!(mark(r#"{"stable": 0, "canary": 1000}"#).is_some());
        for wrong in [
            r#"{"stable": 0, "canary": 0}"#,
            r#"{"stable": 1001, "canary": 1}"#,
            r#"{"stable": -1, "canary": 1}"#,
            r#"{"stable": 0.5, "canary": 1}"#,
            r#"{"stable": 9}"#,
            r#"{"stable": 9, "canary": 1, "baseline": 1}"#,
        ] {
            assert!(mark(wrong).is_none(), "{wrong}");
        }
    }
}
