//! Which track a request goes to, and through [`super::balance`] which backend.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::balance;
use crate::model::Track;
use crate::table::{Backend, Routed, Split};

/// The backend for the next request of a service; `None` when no backend is left.
///
/// Draws a ticket only where there is a choice of track, so that the split is exact over the requests that had one.
#[inline]
pub fn choose(service: &Routed) -> Option<&Arc<Backend>> {
    match &service.split {
        Split::Both(schedule) => match schedule.pick(service.positions.ticket.0.fetch_add(1, Relaxed)) {
            0 => in_track(service, Track::Stable),
            _ => in_track(service, Track::Canary),
        },
        Split::Only(track) => in_track(service, *track),
        Split::Nothing => None,
    }
}

fn in_track(service: &Routed, track: Track) -> Option<&Arc<Backend>> {
    let (lane, position) = match track {
        Track::Stable => (&service.stable, &service.positions.stable.0),
        Track::Canary => (&service.canary, &service.positions.canary.0),
    };
    balance::pick(lane, service.balance, position)
}
