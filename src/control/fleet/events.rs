//! What probes and owners of alerts say.

use super::{Change, Member, News, ServiceState};
use crate::control::gate::Signal;
use crate::control::moment::Moment;
use crate::model::{AlertReading, Health, ProbeReport, Track};

impl ServiceState {
    /// `None` for a backend that is not configured, or not at this address. A prober that has just begun knows less
    /// than what is known here: it changes nothing until it has made up its mind.
    pub(super) fn probed(&mut self, report: &ProbeReport, now: Moment) -> Option<Change> {
        let asked = |member: &Member| member.target == report.target && member.spec.address == report.address;
        let place = self.members.iter().position(asked)?;
        Some(self.event("probe", now, |service, notes| {
            let passed = report.failure.is_none();
            let member = &mut service.members[place];
            let could_serve = member.may_serve();
            if member.health != report.health && report.health != Health::Unknown {
                (member.health, member.since) = (report.health, now.wall);
                notes.news.push(News::Health(member.target.clone()));
            }
            notes.visible |= member.failure != report.failure;
            member.failure.clone_from(&report.failure);
            if passed {
                member.prove();
            }
            if notes.news.is_empty() && !could_serve && member.may_serve() {
                notes.news.push(News::Back(member.target.clone()));
            }
            if report.target.track == Track::Canary {
                let any_up = service.members.iter().any(|member| member.is(Track::Canary) && member.is_up());
                service.signal(Signal::Probe { backend: &report.target.backend, passed, any_up }, notes, now);
            }
        }))
    }

    pub(super) fn alerted(&mut self, reading: &AlertReading, now: Moment) -> Change {
        self.event("alert", now, |service, notes| {
            service.owners.clone_from(&reading.owners);
            service.alerts_read = true;
            notes.visible = true;
            service.signal(Signal::Alert(!reading.owners.is_empty()), notes, now);
        })
    }
}
