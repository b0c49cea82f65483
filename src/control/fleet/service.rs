//! The state of one service, and what every event has in common.

use std::sync::Arc;
use std::time::SystemTime;

use super::change::Notes;
use super::trial::Attempt;
use super::{Change, Member, News, Plan, Rollback, Rotation, Tally};
use crate::control::gate::ramp::Ramp;
use crate::control::gate::{Gate, Signal, Turn, Verdict};
use crate::control::moment::Moment;
use crate::health::outlier::Window;
use crate::model::{BackendId, BackendSpec, Marks, Owners, ProbeTarget, Reason, ServiceSpec, Track};
use crate::table::{Alarm, Outcomes};

/// Everything that is known of one service.
#[derive(Clone, Debug)]
pub(in crate::control) struct ServiceState {
    pub(in crate::control) spec: ServiceSpec,
    /// `None`: a service without a canary.
    pub(in crate::control) gate: Option<Gate>,
    /// When the gate last opened or closed.
    pub(in crate::control) gate_since: SystemTime,
    pub(in crate::control) owners: Owners,
    pub(in crate::control) alerts_read: bool,
    pub(in crate::control) marks: Marks,
    pub(in crate::control) members: Vec<Member>,
    /// What the data plane counts of the canary as a whole, across all tables.
    pub(in crate::control) together: Arc<Outcomes>,
    /// Every member fails.
    pub(in crate::control) degraded: bool,
    /// How often the canary was ejected lately.
    pub(in crate::control) rollback: Rollback,
    /// Some exactly while the gate waits for a trial.
    pub(in crate::control) trial: Option<Attempt>,
    /// Who gets the traffic, as of the last event.
    pub(in crate::control) plan: Plan,
    pub(super) canary_window: Window,
    /// The backend that a lease keeps out at the moment.
    pub(super) leased: Option<BackendId>,
    pub(super) ramp: Option<Ramp>,
    pub(super) trials: u64,
    pub(super) alarm: Arc<Alarm>,
}

impl ServiceState {
    pub(super) fn new(spec: &ServiceSpec, alarm: Arc<Alarm>, now: Moment) -> Self {
        let members = members(spec).map(|(target, backend)| Member::new(target, backend, &spec.outlier, now));
        let together = Arc::<Outcomes>::default();
        let mut service = Self {
            gate: spec.canary.as_ref().map(|canary| Gate::new(canary.probe.rise.get(), spec.outlier.clone())),
            gate_since: now.wall,
            owners: Owners::new(),
            alerts_read: false,
            marks: Marks::default(),
            members: members.collect(),
            canary_window: Window::new(spec.outlier.window, together.sample(), now.at),
            together,
            degraded: false,
            rollback: Rollback::default(),
            trial: None,
            plan: Plan::default(),
            leased: None,
            ramp: None,
            trials: 0,
            alarm,
            spec: spec.clone(),
        };
        service.plan = service.planned(now);
        service
    }

    pub(in crate::control) fn admitted(&self) -> bool {
        self.gate.as_ref().is_some_and(Gate::admitted)
    }

    pub(super) fn signal(&mut self, signal: Signal<'_>, notes: &mut Notes, now: Moment) {
        let trial_failed = matches!(signal, Signal::Trial(Verdict::Failed));
        let Some(gate) = &mut self.gate else { return };
        let turn = gate.observe(signal, now);
        let ejected = match turn {
            Some(Turn::Ejected(reason)) => matches!(reason, Reason::Live | Reason::Probe | Reason::Alert),
            // An ejection of one that was not admitted yet.
            Some(Turn::Reasons) => trial_failed && gate.reasons().contains(&Reason::Live),
            Some(Turn::Admitted { .. }) | None => false,
        };
        notes.turned(turn);
        if ejected
            && self.weights()[1] > 0
            && let Some(spec) = &self.spec.rollback
            && self.rollback.ejected(spec, now.wall)
        {
            notes.news.push(News::Rollback { ejections: spec.ejections.get(), within: spec.within });
        }
    }

    /// Works on one event: what `work` does to the state, what follows from it, and the difference.
    pub(super) fn event(
        &mut self,
        cause: &'static str,
        now: Moment,
        work: impl FnOnce(&mut Self, &mut Notes),
    ) -> Change {
        let mut notes = Notes::new(cause);
        work(self, &mut notes);
        self.settle(&mut notes, now);
        // Marks are read before alerts: until then the weights may be other ones.
        if self.alerts_read {
            self.rollback.see(self.weights());
        }
        let plan = self.planned(now);
        let rotations = self.rotations(&plan, notes.cause);
        for (these, others, drains) in [(&plan, &self.plan, true), (&self.plan, &plan, false)] {
            let changed = these.draining.iter().filter(|target| !others.draining.contains(target));
            notes.news.extend(changed.map(|target| News::Drain { target: target.clone(), drains }));
        }
        let routing = plan != self.plan;
        self.plan = plan;
        let Notes { turn, news, visible, .. } = notes;
        let visible = visible || routing || !rotations.is_empty() || turn.is_some() || !news.is_empty();
        Change { service: self.spec.name.clone(), turn, news, rotations, routing, visible }
    }

    /// Who is in rotation by `plan` and was not by the one in force, and the other way around.
    fn rotations(&self, plan: &Plan, cause: &'static str) -> Vec<Rotation> {
        let there = || self.members.iter().map(|member| &member.target);
        let before = self.plan.stable.iter().chain(&self.plan.canary);
        let all = there().chain(before.filter(|target| there().all(|other| other != *target)));
        let changed = all.filter(|target| self.plan.rotates(target) != plan.rotates(target));
        let rotation = |target: &ProbeTarget| Rotation {
            target: target.clone(),
            rotates: plan.rotates(target),
            tally: self.tally(plan, target.track),
            cause,
        };
        changed.map(rotation).collect()
    }

    /// How many backends of a track are in rotation by `plan`.
    pub(in crate::control) fn tally(&self, plan: &Plan, track: Track) -> Tally {
        let members = self.members.iter().filter(|member| member.is(track));
        let of = members.clone().count();
        let up = members.filter(|member| plan.rotates(&member.target)).count();
        let min_up = match track {
            Track::Stable => self.spec.stable.min_up.map_or(of.saturating_sub(1), |min_up| min_up as usize),
            Track::Canary => 0,
        };
        Tally { up, of, min_up }
    }

    /// What must hold after every event, whatever it was.
    fn settle(&mut self, notes: &mut Notes, now: Moment) {
        self.never_the_last(notes);
        self.accuse_an_empty_canary(notes, now);
        // A canary without weight is there for testers, and a trial would send it somebody else.
        let somebody = self.members.iter().any(|member| member.is(Track::Canary) && member.may_serve());
        if self.in_trial() && somebody && self.weights()[1] == 0 {
            self.signal(Signal::Trial(Verdict::Passed), notes, now);
        }
        self.keep_trial(now);
        if let Some(spec) = &self.spec.rollback {
            self.rollback.look(spec, self.gate.as_ref().is_some_and(Gate::admitted), now.wall);
        }
        match notes.turn {
            Some(Turn::Ejected(_)) => (self.gate_since, self.ramp) = (now.wall, None),
            Some(Turn::Admitted { back }) => {
                self.gate_since = now.wall;
                if back {
                    let slow_start = self.spec.canary.as_ref().and_then(|canary| canary.slow_start);
                    self.ramp = slow_start.and_then(|span| Ramp::new(span, now.at));
                }
            }
            Some(Turn::Reasons) | None => {}
        }
    }

    /// Live traffic never keeps the last backend of stable out: when the others go, it comes back.
    fn never_the_last(&mut self, notes: &mut Notes) {
        let undrained = |member: &Member| member.is(Track::Stable) && self.drained(member).is_none();
        if self.members.iter().any(|member| undrained(member) && member.may_serve()) {
            return;
        }
        let could = |member: &Member| member.is_up() && member.is_ejected() && !member.unproved;
        let punished: Vec<bool> = self.members.iter().map(|member| undrained(member) && could(member)).collect();
        for (member, _) in self.members.iter_mut().zip(punished).filter(|(_, punished)| *punished) {
            member.forgive();
            notes.news.push(News::Back(member.target.clone()));
            notes.cause = "the others are down";
        }
    }

    /// A canary is out when live traffic keeps the last one of its backends out that its probes do not.
    fn accuse_an_empty_canary(&mut self, notes: &mut Notes, now: Moment) {
        let mut canary = self.members.iter().filter(|member| member.is(Track::Canary));
        let nobody = !canary.clone().any(Member::may_serve);
        if self.admitted() && nobody && canary.any(|member| member.is_up() && member.is_ejected()) {
            self.signal(Signal::Live, notes, now);
        }
    }
}

/// Every backend that a configuration names, stable first.
pub(super) fn members(spec: &ServiceSpec) -> impl Iterator<Item = (ProbeTarget, BackendSpec)> {
    let tracks = [(Track::Stable, Some(&spec.stable)), (Track::Canary, spec.canary.as_ref())];
    tracks.into_iter().flat_map(move |(track, of)| {
        let backends = of.map_or(&[][..], |of| &of.backends);
        backends.iter().map(move |backend| {
            (ProbeTarget { service: spec.name.clone(), track, backend: backend.id.clone() }, backend.clone())
        })
    })
}
