//! Choosing anew: where a request goes whose first choice came to nothing.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use super::super::balance;
use super::super::choice::{self, Pinned};
use super::super::exchange::Exchange;
use super::super::split;
use super::errand::Errand;
use crate::model::Track;
use crate::table::{Backend, Lane, Routed, RoutingTable};

/// Turns that are tried before the first that fits is taken.
const TURNS: usize = 4;

/// Another backend for a request of which nothing is written yet, if the one of `exchange` left the rotation since
/// `errand` looked last: zero new requests after an ejection.
#[inline]
pub(super) fn rerouted(table: &RoutingTable, exchange: &Exchange, errand: &mut Errand) -> Option<Arc<Backend>> {
    if table.generation == errand.generation {
        return None;
    }
    errand.generation = table.generation;
    let service = errand.service(table)?;
    let backend = &exchange.backend;
    let tried = || exchange.on_trial() && trying(service).any(|member| member.key == backend.key);
    if tried() {
        return None;
    }
    if let Some(newer) = choice::renewed(service, backend, errand.pinned) {
        return (newer.key != backend.key).then(|| newer.clone());
    }
    let other =
        if errand.retried { elsewhere(service, backend) } else { split::within(service, backend.track).cloned() };
    if other.is_some() {
        // Nobody knows the visitor there.
        errand.pinned = Pinned::No;
    }
    other
}

/// Whether the canary was taken out, or this backend of it, while a request waits there. One that only drains, or whose
/// address changed, finishes what it has.
pub(super) fn is_ejected(service: &Routed, exchange: &Exchange) -> bool {
    let backend = &exchange.backend;
    let same = |member: &&Arc<Backend>| member.track == backend.track && member.id == backend.id;
    let mut stays = service.canary.members().iter().chain(&service.kept).chain(&service.finishing);
    let routed = stays.any(|member| same(&member));
    backend.track == Track::Canary && !routed && !(exchange.on_trial() && trying(service).any(|member| same(&member)))
}

/// Another backend than `from`, on stable when there is one, and never a canary instead of stable. One whose limits
/// leave room goes first.
///
/// What comes from the canary is new to stable and takes its turn there. What stays in its track had a turn: to draw
/// another one would bring the next request to the backend that failed this one.
pub(super) fn elsewhere(service: &Routed, from: &Backend) -> Option<Arc<Backend>> {
    let (lane, position) = match from.track {
        Track::Canary if service.stable.is_empty() => (&service.canary, &service.positions.canary.0),
        Track::Canary | Track::Stable => (&service.stable, &service.positions.stable.0),
    };
    let peeked = AtomicU64::new(position.load(Relaxed));
    let same_track = lane.members().first().is_some_and(|member| member.track == from.track);
    let position = if same_track { &peeked } else { position };
    let in_turn = || balance::pick(lane, service.balance, position);
    let free = |member: &&Arc<Backend>| is_other(member, from) && member.has_room();
    std::iter::repeat_with(in_turn)
        .take(TURNS)
        .find_map(|member| member.filter(free))
        .or_else(|| lane.members().iter().find(free))
        .or_else(|| others(lane, from).next())
        .cloned()
}

/// Another backend of stable whose limits leave room.
pub(super) fn with_room(service: &Routed, from: &Backend) -> Option<Arc<Backend>> {
    others(&service.stable, from).find(|member| member.has_room()).cloned()
}

fn others<'a>(lane: &'a Lane, from: &'a Backend) -> impl Iterator<Item = &'a Arc<Backend>> {
    lane.members().iter().filter(|member| is_other(member, from))
}

/// By its name: a backend whose address changed is the same one.
fn is_other(member: &Backend, from: &Backend) -> bool {
    (member.track, &member.id) != (from.track, &from.id)
}

fn trying(service: &Routed) -> impl Iterator<Item = &Arc<Backend>> {
    service.trying.iter().flat_map(|trying| trying.lane.members())
}
