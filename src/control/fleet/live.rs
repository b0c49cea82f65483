//! What clients' requests have shown, and what time has ended.
//!
//! Rules beside those of [`crate::health::outlier`]:
//! - While every member fails, or the canary and too many of stable, nobody is ejected: what they share is to blame.
//! - Of stable at most `max_ejected_percent` are out at one time but at least one, and never the last that is up.
//! - One of several backends of the canary goes out by itself; the last one takes the canary with it.
//! - The canary stays while no backend of stable is up: there would be nobody to take over.

use super::change::Notes;
use super::{Change, Member, News, ServiceState};
use crate::control::gate::Signal;
use crate::control::gate::ramp;
use crate::control::moment::Moment;
use crate::health::outlier::{Counts, Offence, Showing, all_fail, judge, mostly_succeeds, too_few_pass};
use crate::model::Track;

/// A service is degraded when every member fails and stable has failed so often in a row.
const DEGRADED: u32 = 3;

impl ServiceState {
    /// Samples, judges, and ends what is over.
    pub(super) fn look(&mut self, now: Moment) -> Change {
        self.event("penalty over", now, |service, notes| {
            service.sample(now);
            let showings: Vec<Showing> = service.serving().map(Member::showing).collect();
            let shared = all_fail(&showings);
            service.weigh(shared, &showings, notes, now);
            let shared = shared || service.degraded;
            service.look_at_trial(shared, notes, now);
            if !shared {
                service.judge_canary(notes, now);
                service.judge_stable(notes, now);
            }
            service.end_what_is_over(notes, now);
        })
    }

    fn sample(&mut self, now: Moment) {
        for member in &mut self.members {
            member.sample(self.plan.serves(member), now);
        }
        let together = self.together.sample();
        if self.plan.canary.is_empty() {
            self.canary_window.restart(together, now.at);
        } else {
            self.canary_window.observe(together, now.at);
        }
    }

    /// Whether every member fails. What was counted meanwhile is held against nobody later.
    fn weigh(&mut self, shared: bool, showings: &[Showing], notes: &mut Notes, now: Moment) {
        let before = self.degraded;
        if before {
            let silent = self.serving().all(|member| member.window.counts().total() == 0);
            if mostly_succeeds(showings) || silent {
                self.degraded = false;
                self.canary_window.restart(self.together.sample(), now.at);
                for member in &mut self.members {
                    member.sample(false, now);
                }
            }
        } else {
            let stable = showings.iter().filter(|showing| showing.track == Track::Stable);
            let row = stable.fold(0_u32, |row, showing| row.saturating_add(showing.in_a_row));
            self.degraded = shared && row >= DEGRADED;
            if self.degraded {
                // Successes from before are no recovery.
                for member in &mut self.members {
                    member.recent.restart(member.outcomes.sample(), now.at);
                }
            }
        }
        if self.degraded != before {
            notes.news.push(News::Degraded(self.degraded));
        }
    }

    fn judge_canary(&mut self, notes: &mut Notes, now: Moment) {
        let lane = self.plan.canary.len();
        if self.plan.up() == 0 || lane == 0 {
            return;
        }
        let outlier = &self.spec.outlier;
        let stable = self.serving().filter(|member| member.is(Track::Stable));
        let stable = stable.fold(Counts::default(), |all, member| all.plus(member.window.counts()));
        let stable_too = too_few_pass(outlier, stable);
        let stands = |offence: &Offence| !(stable_too && matches!(offence, Offence::Share(_)));
        let whole = judge(outlier, &self.canary_window).filter(stands);
        let canary = self.members.iter().enumerate().filter(|(_, member)| self.plan.serves(member));
        let mut canary = canary.filter(|(_, member)| member.is(Track::Canary));
        let one = canary.find_map(|(place, member)| Some((place, judge(outlier, &member.window).filter(stands)?)));
        match (one, whole) {
            (Some((place, offence)), _) if lane > 1 => {
                self.take_out(place, offence, notes, now);
                self.canary_window.restart(self.together.sample(), now.at);
            }
            (Some((_, offence)), _) | (None, Some(offence)) => {
                self.signal(Signal::Live, notes, now);
                notes.news.push(News::Accused(offence));
            }
            (None, None) => {}
        }
    }

    fn judge_stable(&mut self, notes: &mut Notes, now: Moment) {
        let outlier = self.spec.outlier.clone();
        let stable = || self.members.iter().filter(|member| member.is(Track::Stable));
        let share = stable().count() as u64 * u64::from(outlier.max_ejected_percent) / 100;
        let out = stable().filter(|member| member.is_ejected()).count() as u64;
        let mut room = share.max(1).saturating_sub(out);
        let mut left = self.plan.up();
        for place in 0..self.members.len() {
            let member = &self.members[place];
            let rotates = member.is(Track::Stable) && member.may_serve() && self.plan.serves(member);
            if !rotates || room == 0 || left < 2 {
                continue;
            }
            if let Some(offence) = judge(&outlier, &member.window) {
                self.take_out(place, offence, notes, now);
                (room, left) = (room - 1, left - 1);
            }
        }
    }

    fn take_out(&mut self, place: usize, offence: Offence, notes: &mut Notes, now: Moment) {
        let member = &mut self.members[place];
        let length = member.eject(&self.spec.outlier, now);
        notes.cause = "live traffic";
        notes.news.push(News::Out { target: member.target.clone(), offence, length });
    }

    fn end_what_is_over(&mut self, notes: &mut Notes, now: Moment) {
        self.keep_lease(notes, now);
        let serving = !self.plan.canary.is_empty();
        self.signal(Signal::Clock { serving }, notes, now);
        for member in &mut self.members {
            if member.penalty.stands() && member.penalty.is_over(now.at) {
                member.penalty.lift();
                notes.visible = true;
                if member.may_serve() {
                    notes.news.push(News::Back(member.target.clone()));
                }
            }
            member.penalty.calm(&self.spec.outlier, self.plan.serves(member), now.at);
        }
        if self.tenths(now) == Some(ramp::STEPS) {
            self.ramp = None;
            notes.news.push(News::Grown);
        }
    }

    fn serving(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| self.plan.serves(member))
    }
}
