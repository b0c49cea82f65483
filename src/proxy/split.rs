//! Which track a request goes to, and through [`super::balance`] which backend.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::balance;
use crate::model::Track;
use crate::table::{Backend, Routed, Schedule, Split};

/// The backend for the next request of a service; `None` when no backend is left.
///
/// Draws a ticket only where there is a choice of track, so that the split is exact over the requests that had one.
#[inline]
pub fn choose(service: &Routed) -> Option<&Arc<Backend>> {
    by_ticket(service, || draw(service))
}

/// The same for the ticket that `ticket` gives; it is asked only where there is a choice of track.
#[inline]
pub(super) fn by_ticket(service: &Routed, ticket: impl FnOnce() -> u64) -> Option<&Arc<Backend>> {
    match &service.split {
        Split::Both(schedule) => in_track(service, turn(schedule, ticket())),
        Split::Only(track) => in_track(service, *track),
        Split::Nothing => None,
    }
}

/// The service's next ticket.
pub(super) fn draw(service: &Routed) -> u64 {
    service.positions.ticket.0.fetch_add(1, Relaxed)
}

/// A backend of `track`, or of the other one when nobody is open in it. Draws no ticket.
pub fn within(service: &Routed, track: Track) -> Option<&Arc<Backend>> {
    in_track(service, open(service, track))
}

/// Where a request goes that should go to `track`: a canary that is out gets nobody, and takes stable's requests only
/// when it takes all.
pub(super) fn open(service: &Routed, track: Track) -> Track {
    match track {
        Track::Canary if service.canary.is_empty() => Track::Stable,
        Track::Stable if service.split == Split::Only(Track::Canary) && service.stable.is_empty() => Track::Canary,
        Track::Stable | Track::Canary => track,
    }
}

pub(super) fn in_track(service: &Routed, track: Track) -> Option<&Arc<Backend>> {
    let position = match track {
        Track::Stable => &service.positions.stable.0,
        Track::Canary => &service.positions.canary.0,
    };
    balance::pick(service.lane(track), service.balance, position)
}

fn turn(schedule: &Schedule, ticket: u64) -> Track {
    match schedule.pick(ticket) {
        0 => Track::Stable,
        _ => Track::Canary,
    }
}
