//! What is kept of a service for the process that takes the place of this one, and taken up by that one.

use super::{Fleet, Member, ServiceState};
use crate::control::gate::Gate;
use crate::control::gate::penalty::Penalty;
use crate::control::gate::ramp::Ramp;
use crate::control::keepsake::{Keepsake, KeptMember, KeptPenalty, KeptService, KeptTurns};
use crate::control::moment::Moment;
use crate::model::Health;

impl Fleet {
    /// Takes up what a process before this one knew of the services that are still there.
    pub(in crate::control) fn restore(&mut self, keepsake: &Keepsake, now: Moment) {
        for service in &mut self.services {
            if let Some(kept) = keepsake.service(&service.spec.name) {
                service.restore(kept, now);
            }
        }
    }
}

impl ServiceState {
    pub(in crate::control) fn kept(&self, turns: KeptTurns, now: Moment) -> KeptService {
        KeptService {
            gate: self.gate.as_ref().map(|gate| gate.kept(now)),
            grown: self.ramp.as_ref().map(|ramp| ramp.grown(now.at)),
            members: self.members.iter().filter_map(|member| member.kept(now)).collect(),
            turns,
            rollback: self.rollback.clone(),
        }
    }

    /// What is up is not told: stable starts in rotation, and a canary has to pass a probe of the new process.
    fn restore(&mut self, kept: &KeptService, now: Moment) {
        for kept in &kept.members {
            let same = |member: &&mut Member| {
                (member.target.track, &member.target.backend) == (kept.track, &kept.id)
                    && member.spec.address.to_string() == kept.address
            };
            let Some(member) = self.members.iter_mut().find(same) else { continue };
            if kept.down {
                member.health = Health::Down;
                member.failure = Some("its probes failed before the upgrade".into());
            }
            (member.accused, member.unproved) = (kept.accused, kept.unproved);
            member.penalty = Penalty::restored(kept.penalty, &self.spec.outlier, now);
        }
        if let (Some(gate), Some(kept)) = (&mut self.gate, &kept.gate) {
            gate.restore(kept, now);
        }
        let slow_start = self.spec.canary.as_ref().and_then(|canary| canary.slow_start);
        let grows = kept.grown.zip(slow_start).filter(|_| !self.gate.as_ref().is_some_and(Gate::ejected));
        self.ramp = grows.and_then(|(grown, span)| Ramp::restored(grown, span, now.at));
        self.rollback.clone_from(&kept.rollback);
        self.plan = self.planned(now);
    }
}

impl Member {
    /// `None`: there is nothing to say.
    fn kept(&self, now: Moment) -> Option<KeptMember> {
        let (down, penalty) = (self.health == Health::Down, self.penalty.kept(now));
        let worth = down || self.accused || self.unproved || penalty != KeptPenalty::default();
        worth.then(|| KeptMember {
            track: self.target.track,
            id: self.target.backend.clone(),
            address: self.spec.address.to_string(),
            down,
            accused: self.accused,
            unproved: self.unproved,
            penalty,
        })
    }
}
