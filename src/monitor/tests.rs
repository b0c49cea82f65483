//! Rules, samples and what follows, without a host.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

use super::agent::Agent;
use super::specimen;
use crate::bus::{StandingKey, Word};
use crate::model::{HostMetric, NoticeKind, Way};

/// An agent, and the moment at which its story begins.
struct Story {
    agent: Agent,
    start: Instant,
    wall: SystemTime,
}

impl Story {
    fn begin(agent: Agent) -> Self {
        Self { agent, start: Instant::now(), wall: SystemTime::UNIX_EPOCH }
    }

    /// The processor's load at a second; the notices that it brings.
    fn cpu(&mut self, second: u64, percent: f64) -> Vec<(NoticeKind, Vec<Way>)> {
        let later = Duration::from_secs(second);
        let samples = BTreeMap::from([(HostMetric::Cpu, Some(percent))]);
        let notices = self.agent.judge(&samples, self.start + later, self.wall + later);
        notices.into_iter().map(|(notice, ways)| (notice.kind, ways)).collect()
    }

    fn raised(&self) -> Option<String> {
        let standing = self.agent.shown()?;
        match standing.get(&StandingKey::Own("alert:checkbox:web2".to_owned()))? {
            Word::Raised { text, .. } => Some(text.to_string()),
            Word::Clear => None,
        }
    }
}

#[test]
fn each_transition_is_told_once_and_changes_what_stands() {
    let mut story = Story::begin(Agent::specimen(vec![specimen::rule("cpu")]));
    for second in [0, 10, 20] {
        assert_eq!((story.cpu(second, 83.0), story.raised()), (vec![], None));
    }
    assert_eq!(story.cpu(30, 83.0), [(NoticeKind::Firing, vec![Way::Mail])]);
    let text = story.raised().unwrap();
    assert!(text.contains("83 % above 45 %") && text.contains("1970-01-01T00:00:00"), "since the run began: {text}");
    assert_eq!(story.cpu(40, 100.0), []);
    assert_eq!(story.cpu(50, 45.0), [(NoticeKind::Recovered, vec![Way::Mail])]);
    assert_eq!((story.cpu(60, 5.0), story.raised()), (vec![], None));
}

#[test]
fn a_rule_without_ways_tells_nobody() {
    let mut rule = specimen::rule("cpu");
    rule.actions.ways.clear();
    rule.hold = Duration::ZERO;
    let mut story = Story::begin(Agent::specimen(vec![rule]));
    assert_eq!(story.cpu(0, 83.0), []);
    assert!(story.raised().is_some());
}

/// A mail alone is no alert: nothing in Redis tells the next life of it.
#[test]
fn what_is_over_at_a_start_is_told_once_to_whoever_was_told_that_it_began() {
    let mut story = Story::begin(Agent::specimen(vec![specimen::rule("cpu")]));
    assert_eq!(story.cpu(0, 90.0), []);
    assert_eq!(story.cpu(10, 45.0), [(NoticeKind::Recovered, vec![Way::Mail])]);
    assert_eq!((story.cpu(20, 5.0), story.cpu(30, 90.0), story.cpu(40, 5.0)), (vec![], vec![], vec![]));
}

#[test]
fn what_stood_before_a_restart_stands_word_for_word_until_a_value_ends_it() {
    let mut before = Story::begin(Agent::specimen(vec![specimen::rule("cpu")]));
    for second in [0, 10, 20, 30] {
        before.cpu(second, 83.0);
    }
    let text = before.raised().unwrap();
    let mut after = Story::begin(Agent::specimen(vec![specimen::rule("cpu")]));
    after.agent.adopt(&BTreeMap::from([("alert:checkbox:web2".to_owned(), text.clone())]));
    assert_eq!(after.raised(), Some(text.clone()));
    assert_eq!((after.cpu(0, 46.0), after.raised()), (vec![], Some(text)), "nobody is told anew");
    assert_eq!(after.cpu(10, 45.0), [(NoticeKind::Recovered, vec![Way::Mail])]);
    assert_eq!(after.raised(), None);
}
