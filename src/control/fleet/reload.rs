//! Another configuration: what is unchanged keeps all that is known of it.

use std::sync::Arc;

use super::change::Notes;
use super::service::members;
use super::{Change, Fleet, Member, News, ServiceState};
use crate::control::gate::{Gate, Signal};
use crate::control::moment::Moment;
use crate::health::outlier::Window;
use crate::model::{ServiceSpec, Track};
use crate::table::Alarm;

impl Fleet {
    /// Follows `services` from here on, in their order. A service is the same by its name, a backend by its track, its
    /// id and its address; what is new starts as at the start of the process. Gives what changed of services that were
    /// there before.
    pub(in crate::control) fn reload(
        &mut self,
        services: &[ServiceSpec],
        alarm: &Arc<Alarm>,
        now: Moment,
    ) -> Vec<Change> {
        let mut before = std::mem::take(&mut self.services);
        let mut changes = Vec::new();
        for spec in services {
            let known = before.iter().position(|service| service.spec.name == spec.name);
            let service = match known.map(|place| before.swap_remove(place)) {
                Some(service) if service.spec == *spec => service,
                Some(mut service) => {
                    changes.push(service.reload(spec, now));
                    service
                }
                None => ServiceState::new(spec, alarm.clone(), now),
            };
            self.services.push(service);
        }
        changes
    }
}

impl ServiceState {
    fn reload(&mut self, spec: &ServiceSpec, now: Moment) -> Change {
        self.event("reload", now, |service, notes| {
            notes.visible = true;
            let weights = service.weights();
            let before = std::mem::replace(&mut service.spec, spec.clone());
            if service.weights() != weights {
                notes.news.push(News::Weights(service.weights()));
            }
            service.reload_members(now);
            if before.outlier.window != spec.outlier.window {
                let window = |sample| Window::new(spec.outlier.window, sample, now.at);
                service.canary_window = window(service.together.sample());
                for member in &mut service.members {
                    member.window = window(member.outcomes.sample());
                }
            }
            service.reload_gate(notes, now);
        })
    }

    /// A backend with another address is another server: it starts anew.
    fn reload_members(&mut self, now: Moment) {
        let mut before = std::mem::take(&mut self.members);
        let after = members(&self.spec).map(|(target, spec)| {
            let same = |member: &Member| member.target == target && member.spec.address == spec.address;
            match before.iter().position(same).map(|place| before.swap_remove(place)) {
                Some(member) => Member { spec, ..member },
                None => Member::new(target, spec, &self.spec.outlier, now),
            }
        });
        self.members = after.collect();
    }

    /// A canary that is there already keeps the state of its gate; a new one learns what is known of its service.
    fn reload_gate(&mut self, notes: &mut Notes, now: Moment) {
        let Some(canary) = &self.spec.canary else {
            (self.gate, self.ramp) = (None, None);
            return;
        };
        let (rise, outlier) = (canary.probe.rise.get(), self.spec.outlier.clone());
        match &mut self.gate {
            Some(gate) => {
                let members = self.members.iter().filter(|member| member.is(Track::Canary));
                let ids: Vec<_> = members.map(|member| &member.target.backend).collect();
                gate.reload(rise, outlier, |backend| ids.contains(&backend));
            }
            None => {
                (self.gate, self.gate_since) = (Some(Gate::new(rise, outlier)), now.wall);
                self.signal(Signal::Operator(self.marks.ejection.is_some()), notes, now);
                if self.alerts_read {
                    self.signal(Signal::Alert(!self.owners.is_empty()), notes, now);
                }
            }
        }
        let followed = self.spec.gate.follow_peers && !self.marks.peers.is_empty();
        self.signal(Signal::Peer(followed), notes, now);
    }
}
