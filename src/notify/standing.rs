//! What was told and is not over yet.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::{Notice, NoticeKind, Severity};

/// Matters that are kept in mind. With one more the oldest is forgotten.
const MOST: usize = 1000;
/// What still stands after a day is told once more when it is said once more: nobody shall rely on a word that old.
const REMINDER: u64 = 24 * 3_600_000;

/// The matters that began to be wrong and have not recovered, by their topics.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Standing(BTreeMap<String, Stood>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Stood {
    event: String,
    severity: Severity,
    /// In milliseconds since 1970.
    since: u64,
}

impl Standing {
    /// Whether a notice is news. What stands is not told again unless it changes, and the end of what nobody was told
    /// of is no news. So whoever tells may say what is true more often than it changes, also after a restart.
    pub(super) fn hear(&mut self, notice: &Notice, now: u64) -> bool {
        match notice.kind {
            NoticeKind::Info => true,
            NoticeKind::Recovered => self.0.remove(&*notice.topic).is_some(),
            NoticeKind::Firing => {
                let stood = Stood { event: notice.event.to_string(), severity: notice.severity, since: now };
                let same = |before: &Stood| {
                    let recent = before.since <= now && now - before.since < REMINDER;
                    recent && (&before.event, before.severity) == (&stood.event, stood.severity)
                };
                if self.0.get(&*notice.topic).is_some_and(same) {
                    return false;
                }
                self.0.insert(notice.topic.to_string(), stood);
                if self.0.len() > MOST
                    && let Some(oldest) = self.0.iter().min_by_key(|(_, stood)| stood.since).map(|(topic, _)| topic)
                {
                    let oldest = oldest.clone();
                    self.0.remove(&oldest);
                }
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::entry::specimen;

    #[test]
    fn a_matter_is_told_once_and_so_is_its_end() {
        let mut standing = Standing::default();
        let firing = specimen("gate:web", NoticeKind::Firing);
        let recovered = specimen("gate:web", NoticeKind::Recovered);
        assert!(!standing.hear(&recovered, 0), "nobody was told that it began");
        assert!(standing.hear(&firing, 1) && !standing.hear(&firing, 2));
        assert!(standing.hear(&specimen("gate:api", NoticeKind::Firing), 2), "another matter");
        assert!(standing.hear(&recovered, 3) && !standing.hear(&recovered, 4));
        assert!(standing.hear(&firing, 5));
        let info = specimen("gate:web", NoticeKind::Info);
        assert!(standing.hear(&info, 6) && standing.hear(&info, 7));
    }

    #[test]
    fn what_gets_worse_or_lasts_for_a_day_is_told_again() {
        let mut standing = Standing::default();
        let firing = specimen("a", NoticeKind::Firing);
        assert!(standing.hear(&firing, 0));
        assert!(standing.hear(&Notice { severity: Severity::Critical, ..firing.clone() }, 1));
        assert!(standing.hear(&Notice { event: "gone".into(), ..firing.clone() }, 2));
        let firing = Notice { event: "gone".into(), ..firing };
        assert!(!standing.hear(&firing, 1 + REMINDER) && standing.hear(&firing, 2 + REMINDER));
    }

    #[test]
    fn it_is_bounded_and_forgets_the_oldest() {
        let mut standing = Standing::default();
        for at in 0..=MOST {
            assert!(standing.hear(&specimen(&format!("t{at}"), NoticeKind::Firing), at as u64));
        }
        assert_eq!(standing.0.len(), MOST);
        assert!(!standing.hear(&specimen("t0", NoticeKind::Recovered), 0));
        assert!(standing.hear(&specimen("t1", NoticeKind::Recovered), 0));
    }
}
