//! What operators and other balancers said.

use super::change::Notes;
use super::{Change, News, ServiceState};
use crate::control::gate::Signal;
use crate::control::moment::Moment;
use crate::model::Marks;

impl ServiceState {
    /// A drain of the last backends of stable is in force only while another member is up: see [`super::plan`].
    pub(super) fn marked(&mut self, marks: &Marks, now: Moment) -> Change {
        self.event("drain", now, |service, notes| {
            notes.visible = service.marks != *marks;
            let weights = service.weights();
            service.marks.clone_from(marks);
            service.keep_lease(notes, now);
            if service.weights() != weights {
                notes.news.push(News::Weights(service.weights()));
            }
            let followed = service.spec.gate.follow_peers && !marks.peers.is_empty();
            service.signal(Signal::Operator(marks.ejection.is_some()), notes, now);
            service.signal(Signal::Peer(followed), notes, now);
        })
    }

    /// A lease keeps its backend out until it ends, by itself or by its holder. Then the backend has to pass one probe:
    /// what was known of it is of before.
    pub(super) fn keep_lease(&mut self, notes: &mut Notes, now: Moment) {
        let lease = self.marks.lease.as_ref().filter(|lease| lease.until > now.wall);
        let leased = lease.map(|lease| lease.backend.clone());
        if leased == self.leased {
            return;
        }
        notes.cause = "lease";
        if let Some(ended) = std::mem::replace(&mut self.leased, leased) {
            for member in self.members.iter_mut().filter(|member| member.target.backend == ended) {
                member.unproved = true;
            }
        }
    }
}
