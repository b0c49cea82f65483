//! What the controller writes to the log: transitions only.

use std::time::Duration;

use crate::control::fleet::{Change, News, Rotation, ServiceState, Tally};
use crate::control::gate::Turn;
use crate::model::{Health, ProbeTarget};

pub(super) fn change(state: &ServiceState, change: &Change, took: Duration) {
    for news in &change.news {
        self::news(state, news);
    }
    change.rotations.iter().for_each(rotation);
    let service = &state.spec.name;
    let gate = state.gate.as_ref();
    let reasons = || gate.map(|gate| gate.reasons().clone()).unwrap_or_default();
    match change.turn {
        Some(Turn::Ejected(reason)) => {
            let owners = &state.owners;
            tracing::warn!(%service, reason = reason.as_str(), ?owners, ?took, "canary ejected");
        }
        Some(Turn::Admitted { .. }) => tracing::info!(%service, "canary admitted"),
        Some(Turn::Reasons) => tracing::info!(%service, reasons = ?reasons(), "canary still out"),
        None => {}
    }
}

fn news(state: &ServiceState, news: &News) {
    let service = &state.spec.name;
    match news {
        News::Health(target) => health(state, target),
        News::Out { target: ProbeTarget { track, backend, .. }, offence, length } => {
            tracing::warn!(%service, %track, %backend, reason = %offence, ?length, "backend ejected by live traffic");
        }
        News::Back(ProbeTarget { track, backend, .. }) => tracing::info!(%service, %track, %backend, "backend back"),
        News::Accused(offence) => tracing::warn!(%service, reason = %offence, "the canary fails live traffic"),
        News::Degraded(true) => {
            tracing::warn!(%service, "degraded: every member fails; nobody is ejected by live traffic");
        }
        News::Degraded(false) => tracing::info!(%service, "no longer degraded"),
        News::Drain { target: ProbeTarget { track, backend, .. }, drains: true } => {
            tracing::info!(%service, %track, %backend, footing = ?state.plan.footing, "backend drains");
        }
        News::Drain { target: ProbeTarget { track, backend, .. }, drains: false } => {
            tracing::info!(%service, %track, %backend, "backend drains no longer");
        }
        News::Weights([stable, canary]) => tracing::info!(%service, stable, canary, "weights changed"),
        News::Grown => tracing::info!(%service, "the canary has its full share"),
        News::Waived => tracing::info!(%service, "no request that may be repeated came: no trial"),
        News::Rollback { ejections, within } => {
            tracing::error!(%service, ejections, ?within, "the canary should be rolled back");
        }
    }
}

/// Who is in rotation, one line for each backend that `cause` has not told of already: from here on each change is.
pub(super) fn standing(state: &ServiceState, told: &[Rotation], cause: &'static str) {
    for target in state.members.iter().map(|member| &member.target) {
        if told.iter().all(|rotation| rotation.target != *target) {
            let (rotates, tally) = (state.plan.rotates(target), state.tally(&state.plan, target.track));
            rotation(&Rotation { target: target.clone(), rotates, tally, cause });
        }
    }
}

/// The proof of how many were up at each moment: programs read it, and so its fields are an interface.
fn rotation(rotation: &Rotation) {
    let Rotation { target: ProbeTarget { service, track, backend }, rotates, tally, cause } = rotation;
    let Tally { up, of, min_up } = tally;
    tracing::info!(%service, %track, %backend, rotates, up, of, min_up, cause, "rotation");
}

fn health(state: &ServiceState, target: &ProbeTarget) {
    let Some(member) = state.members.iter().find(|member| member.target == *target) else { return };
    let ProbeTarget { service, track, backend } = target;
    let reason = member.failure.as_deref().unwrap_or("probe passed");
    match member.health {
        Health::Down => tracing::warn!(%service, %track, %backend, reason, "backend down"),
        Health::Up | Health::Unknown => tracing::info!(%service, %track, %backend, reason, "backend up"),
    }
}
