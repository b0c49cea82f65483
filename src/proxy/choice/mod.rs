//! Where a request goes whose track is not only a matter of turns.
//!
//! What is looked at, in this order: the testers' wish, the rules, the cookie of an earlier visit, the field that the
//! service is split by, and at last the schedule. Only the schedule draws a ticket. The table stands above all of them:
//! a canary that is out has no lane, and what is not in a lane gets nobody new.

mod cookies;
mod keepsake;
mod visitor;
mod wish;

use std::sync::Arc;

use http::HeaderValue;

pub use keepsake::Keepsake;
pub use visitor::Visitor;

use super::{balance, split};
use crate::model::{Affinity, Track};
use crate::table::{Backend, Choice, Pin, Routed, fixed_ticket};

/// Where a request goes first.
#[derive(Debug)]
pub struct Chosen {
    pub backend: Arc<Backend>,
    pub pinned: Pinned,
    /// A tester's wish or a rule decided.
    pub told: bool,
    /// The `Set-Cookie` for an answer of `backend`; see [`Keepsake`] for one of another.
    pub cookie: Option<HeaderValue>,
}

/// What the visitor's cookie had to do with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pinned {
    No,
    /// It named this version.
    Track,
    /// It named this very backend, which may have the visitor's session in memory: as long as the backend is up, a
    /// status is no reason to ask another one.
    Backend,
}

/// The backend for a request's first attempt; `None` when no backend is left.
#[inline]
pub fn choose(service: &Routed, visitor: &Visitor<'_>) -> Option<Chosen> {
    match &service.choice {
        None => split::choose(service).map(unpinned),
        Some(choice) => looked_at(service, choice, visitor),
    }
}

/// What `backend`, which an older table chose, is now: the same, or the one of its name with other addresses. `None`:
/// it takes the request no more.
pub fn renewed<'a>(service: &'a Routed, backend: &Backend, pinned: Pinned) -> Option<&'a Arc<Backend>> {
    let kept = if pinned != Pinned::No && goes(service, backend.track) { &service.kept[..] } else { &[] };
    let mut all = service.lane(backend.track).members().iter().chain(kept);
    all.find(|member| (member.track, &member.id) == (backend.track, &backend.id))
}

fn looked_at(service: &Routed, choice: &Choice, visitor: &Visitor<'_>) -> Option<Chosen> {
    let told = wish::of_tester(&choice.tester, visitor).or_else(|| wish::of_rules(&choice.rules, visitor));
    let Some(pins) = &choice.pins else {
        let backend = told.map_or_else(|| by_turns(service, choice, visitor), |track| split::within(service, track))?;
        return Some(Chosen { told: told.is_some(), ..unpinned(backend) });
    };
    let pin = pins.read(cookies::named(visitor.headers, &pins.cookie.name));
    let pin = pin.as_ref();
    // Only where it is told to go anyway.
    let followed = pin.filter(|pin| told.is_none_or(|track| [track, split::open(service, track)].contains(&pin.track)));
    let for_good = service.ejected || !choice.has_canary;
    let waits = pin.is_some_and(|pin| pin.track == Track::Canary) && service.canary.is_empty() && !for_good;

    let seat = followed.and_then(|pin| seat(service, pins.affinity, pin));
    let (backend, pinned) = match (seat, told.or(pin.map(|pin| pin.track))) {
        (Some(seat), _) => seat,
        (None, Some(Track::Canary)) if waits => (meanwhile(service, pins.affinity, visitor)?, Pinned::No),
        (None, Some(track)) => (split::within(service, track)?, Pinned::No),
        (None, None) => (by_turns(service, choice, visitor)?, Pinned::No),
    };
    let gets_cookie = match (pins.affinity, pin) {
        (Affinity::None, _) => false,
        // A wish counts for one request, and does not make the visitor one of that version.
        (Affinity::Track, None) => told.is_none(),
        (Affinity::Track, Some(pin)) => pin.track == Track::Canary && for_good,
        (Affinity::Backend, _) => pinned != Pinned::Backend && !waits,
    };
    let cookie = if gets_cookie { pins.set_cookie(backend.track, &backend.id) } else { None };
    Some(Chosen { backend: backend.clone(), pinned, told: told.is_some(), cookie })
}

/// The schedule's choice, by a ticket or by the field that stands for one.
fn by_turns<'a>(service: &'a Routed, choice: &Choice, visitor: &Visitor<'_>) -> Option<&'a Arc<Backend>> {
    split::by_ticket(service, || choice.fixed_ticket(visitor.headers).unwrap_or_else(|| split::draw(service)))
}

/// Where a visitor was before, or else as near as can be: the backend, another one of its version. A backend that is
/// being left takes only visitors that were there; one of a version that is being left as a whole takes any of that
/// version.
fn seat<'a>(service: &'a Routed, affinity: Affinity, pin: &Pin) -> Option<(&'a Arc<Backend>, Pinned)> {
    if !goes(service, pin.track) {
        return None;
    }
    let lane = service.lane(pin.track);
    let kept = || service.kept.iter().filter(|backend| backend.track == pin.track);
    if affinity == Affinity::Backend {
        let named = |backend: &&Arc<Backend>| pin.backend.as_deref() == Some(backend.id.as_str());
        if let Some(backend) = lane.members().iter().chain(kept()).find(named) {
            return Some((backend, Pinned::Backend));
        }
    }
    let open = split::in_track(service, pin.track);
    let left = || if affinity == Affinity::Track { kept().min_by_key(|backend| balance::load(backend)) } else { None };
    open.or_else(left).map(|backend| (backend, Pinned::Track))
}

/// Stable's backend for a visitor that waits for a canary which is not admitted yet. It keeps its cookie, so that it
/// comes back; a session that begins meanwhile stays on one server because the server follows from the address.
fn meanwhile<'a>(service: &'a Routed, affinity: Affinity, visitor: &Visitor<'_>) -> Option<&'a Arc<Backend>> {
    match affinity {
        Affinity::Backend => service.stable.turn(fixed_ticket(visitor.address().to_string().as_bytes())),
        Affinity::None | Affinity::Track => split::within(service, Track::Stable),
    }
}

/// An ejected canary gets nobody, whoever was there.
fn goes(service: &Routed, track: Track) -> bool {
    track == Track::Stable || !service.ejected
}

fn unpinned(backend: &Arc<Backend>) -> Chosen {
    Chosen { backend: backend.clone(), pinned: Pinned::No, told: false, cookie: None }
}

#[cfg(test)]
mod tests;
