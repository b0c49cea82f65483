//! Who gets the traffic of a service.

use super::{Member, ServiceState};
use crate::control::gate::Gate;
use crate::control::gate::ramp::scaled;
use crate::control::moment::Moment;
use crate::model::{ProbeTarget, Reason, Track};

/// Everything that a table says of a service, by name. Two plans that are equal need no new table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::control) struct Plan {
    pub(in crate::control) stable: Vec<ProbeTarget>,
    /// Empty while the canary is out.
    pub(in crate::control) canary: Vec<ProbeTarget>,
    pub(in crate::control) footing: Footing,
    /// Of stable and the canary, as the schedule takes them.
    pub(in crate::control) weights: [u32; 2],
    /// Backends that are asked to get no new requests, whether or not they can be spared.
    pub(in crate::control) draining: Vec<ProbeTarget>,
    /// Backends that only visitors who are kept on them reach.
    pub(in crate::control) kept: Vec<ProbeTarget>,
    /// Backends that nobody new reaches, visitors who were kept on them included: they finish what they have.
    pub(in crate::control) finishing: Vec<ProbeTarget>,
    /// The number of the trial and the backends that it may go to.
    pub(in crate::control) trying: Option<(u64, Vec<ProbeTarget>)>,
    /// The canary is out by an ejection, or on its way back from one.
    pub(in crate::control) ejected: bool,
}

/// On what the backends of stable were chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::control) enum Footing {
    /// They are up, and nobody wants them out.
    #[default]
    Up,
    /// None, because the canary takes all.
    Nobody,
    /// They are up by their probes and asked to drain, but nothing else is up.
    Held,
    /// None is up: all of them, rather than none.
    Open,
}

impl Plan {
    /// How many backends of stable are in rotation and up.
    pub(in crate::control) fn up(&self) -> usize {
        if self.footing == Footing::Open { 0 } else { self.stable.len() }
    }

    /// Whether a backend is in rotation. While none of stable is up, what gets the requests all the same is not.
    pub(in crate::control) fn rotates(&self, target: &ProbeTarget) -> bool {
        match target.track {
            Track::Stable => self.footing != Footing::Open && self.stable.contains(target),
            Track::Canary => self.canary.contains(target),
        }
    }

    /// The canary's part of new requests, 0 to 1.
    pub(in crate::control) fn share(&self) -> f64 {
        let [stable, canary] = self.weights.map(f64::from);
        match (self.canary.is_empty() || canary == 0.0, self.stable.is_empty()) {
            (true, _) => 0.0,
            (false, true) => 1.0,
            (false, false) => canary / (stable + canary),
        }
    }

    pub(in crate::control) fn serves(&self, member: &Member) -> bool {
        let lane = if member.is(Track::Stable) { &self.stable } else { &self.canary };
        lane.contains(&member.target)
    }
}

impl ServiceState {
    /// Nothing up in stable: an admitted canary with a weight takes all. Else stable goes on with what drains, and at
    /// last with everything; the canary never does.
    pub(super) fn planned(&self, now: Moment) -> Plan {
        let goes = |member: &Member| member.may_serve() && self.drained(member).is_none();
        let canary = self.targets(Track::Canary, |member| self.admitted() && goes(member));
        let weights = self.weights();
        let mut stable = self.targets(Track::Stable, goes);
        let mut footing = Footing::Up;
        if stable.is_empty() {
            if canary.is_empty() || weights[1] == 0 {
                (stable, footing) = (self.targets(Track::Stable, Member::is_up), Footing::Held);
                if stable.is_empty() {
                    (stable, footing) = (self.targets(Track::Stable, |_| true), Footing::Open);
                }
            } else {
                footing = Footing::Nobody;
            }
        }
        let left = |keeps: bool| {
            let members = self.members.iter().filter(|member| {
                let sits = member.may_serve() && self.drained(member) == Some(keeps);
                let routed = stable.contains(&member.target);
                sits && !routed && (member.is(Track::Stable) || self.admitted())
            });
            members.map(|member| member.target.clone()).collect()
        };
        let (kept, finishing) = (left(true), left(false));
        let lane = self.targets(Track::Canary, goes);
        let trial = self.trial.as_ref().filter(|_| !self.degraded && !lane.is_empty());
        let draining = self.members.iter().filter(|member| self.drained(member).is_some());
        Plan {
            footing,
            draining: draining.map(|member| member.target.clone()).collect(),
            weights: match &self.ramp {
                Some(ramp) if self.admitted() => scaled(weights[0], weights[1], ramp.tenths(now.at)),
                _ => weights,
            },
            kept,
            finishing,
            trying: trial.map(|attempt| (attempt.number, lane)),
            ejected: self.gate.as_ref().is_some_and(Gate::ejected),
            stable,
            canary,
        }
    }

    /// The weights in force, of stable and of the canary.
    pub(in crate::control) fn weights(&self) -> [u32; 2] {
        match (&self.marks.weights, &self.spec.canary) {
            (Some(mark), Some(_)) => [mark.stable.get(), mark.canary.get()],
            (None, Some(canary)) => [self.spec.stable.weight.get(), canary.weight.get()],
            (_, None) => [self.spec.stable.weight.get(), 0],
        }
    }

    /// Whether an operator or a lease wants a backend out, and whether it keeps its visitors then.
    pub(in crate::control) fn drained(&self, member: &Member) -> Option<bool> {
        let id = &member.target.backend;
        let leased = self.leased.as_ref() == Some(id);
        let mark = self.marks.drains.get(id);
        (leased || mark.is_some()).then(|| !leased && mark.is_some_and(|mark| mark.keep_sessions))
    }

    /// The part of its share that a canary has, in tenths; `None` when it has all of it.
    pub(in crate::control) fn tenths(&self, now: Moment) -> Option<u32> {
        self.ramp.as_ref().filter(|_| self.admitted()).map(|ramp| ramp.tenths(now.at))
    }

    pub(super) fn in_trial(&self) -> bool {
        self.gate.as_ref().is_some_and(|gate| gate.reasons().contains(&Reason::Trial))
    }

    fn targets(&self, track: Track, goes: impl Fn(&Member) -> bool) -> Vec<ProbeTarget> {
        let members = self.members.iter().filter(|member| member.is(track) && goes(member));
        members.map(|member| member.target.clone()).collect()
    }
}
