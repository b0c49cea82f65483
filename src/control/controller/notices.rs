//! What people and other programs are told of a change. What is true is said with each change that may have brought it
//! about: who sends keeps what was told already.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{SHA256, digest};

use crate::control::fleet::{Change, News, ServiceState};
use crate::control::gate::Turn;
use crate::model::{
    BackendSpec, Health, Notice, NoticeKind, ProbeTarget, Reason, ServiceName, ServiceSpec, Severity, Track, in_words,
};

/// Balancers that give up the same canary within one such span name it by the same key.
const SPAN: Duration = Duration::from_secs(60);
/// The event that calls the hook of a service.
pub(super) const ROLLBACK: &str = "rollback";

/// A notice without who says it.
pub(super) fn of(state: &ServiceState, change: &Change, at: SystemTime) -> Vec<Notice> {
    let mut notices = Vec::new();
    for news in &change.news {
        notices.extend(of_news(state, news, at));
    }
    let service = &state.spec.name;
    match change.turn {
        Some(Turn::Ejected(reason)) => {
            let mut notice = firing(service, topic("gate", service), "ejected", ejected_by(reason).to_owned(), at);
            notice.details.push(detail("reason", reason.as_str()));
            if let Some(offence) = change.news.iter().find_map(offence) {
                notice.details.push(detail("seen", offence));
            }
            if reason == Reason::Alert {
                let words = state
                    .owners
                    .iter()
                    .map(|(owner, alert)| detail(if owner.is_empty() { "alert" } else { owner }, &*alert.reason));
                notice.details.extend(words);
            }
            notices.push(notice);
        }
        Some(Turn::Admitted { .. }) => {
            notices.push(readmitted(service, at));
        }
        Some(Turn::Reasons) | None => {}
    }
    notices.extend(of_stable(state, change, at));
    notices
}

/// Ends what was said of backends that are configured no longer, and of their service when the `whole` is not.
pub(super) fn forget(service: &ServiceName, backends: &[ProbeTarget], whole: bool, at: SystemTime) -> Vec<Notice> {
    let stable = backends.iter().filter(|target| target.track == Track::Stable).map(backend_topic);
    let matters = ["gate", "degraded", "stable"].into_iter().filter(|_| whole).map(|matter| topic(matter, service));
    let over = |topic| recovered(service, topic, "forgotten", "it is not watched any more".to_owned(), at);
    matters.chain(stable).map(over).collect()
}

/// What all balancers that give up this canary at about the same time call it, without a word between them: the
/// service, the canary's backends, and the time. Two whose clocks or ejections lie on both sides of a minute name it
/// differently; who is called knows the service by the body, and that it was rolled back just before.
pub(super) fn rollback_key(spec: &ServiceSpec, at: SystemTime) -> String {
    let span = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs() / SPAN.as_secs();
    let backends = spec.canary.iter().flat_map(|canary| &canary.backends);
    let mut addresses: Vec<String> = backends.map(|BackendSpec { address, .. }| address.to_string()).collect();
    addresses.sort_unstable();
    let hash = digest(&SHA256, format!("{} {} {span}", spec.name, addresses.join(" ")).as_bytes());
    let hash = hash.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect::<String>();
    format!("rollback-{}-{hash}", spec.name)
}

/// The canary gets traffic.
pub(super) fn readmitted(service: &ServiceName, at: SystemTime) -> Notice {
    recovered(service, topic("gate", service), "readmitted", "the canary is admitted".to_owned(), at)
}

/// What fails together has ended.
pub(super) fn not_degraded(service: &ServiceName, at: SystemTime) -> Notice {
    recovered(service, topic("degraded", service), "recovered", "not everything fails any more".to_owned(), at)
}

fn of_news(state: &ServiceState, news: &News, at: SystemTime) -> Option<Notice> {
    let service = &state.spec.name;
    Some(match news {
        News::Health(target) if target.track == Track::Stable => {
            let member = state.members.iter().find(|member| member.target == *target)?;
            if member.health == Health::Down {
                let summary = format!("{} of stable is down", target.backend);
                let mut notice = firing(service, backend_topic(target), "backend_down", summary, at);
                notice.details.push(detail("reason", member.failure.as_deref().unwrap_or_default()));
                notice
            } else {
                let summary = format!("{} of stable is up", target.backend);
                recovered(service, backend_topic(target), "backend_up", summary, at)
            }
        }
        News::Out { target, offence, length } if target.track == Track::Stable => {
            let summary = format!("{} of stable is ejected by live traffic", target.backend);
            let mut notice = firing(service, backend_topic(target), "backend_ejected", summary, at);
            notice.details.extend([detail("seen", offence.to_string()), detail("for", in_words(whole(*length)))]);
            notice
        }
        News::Back(target) if target.track == Track::Stable => {
            let summary = format!("{} of stable is back", target.backend);
            recovered(service, backend_topic(target), "backend_up", summary, at)
        }
        News::Degraded(true) => {
            let summary = "stable and canary fail together: nobody is ejected".to_owned();
            Notice {
                severity: Severity::Critical,
                ..firing(service, topic("degraded", service), "degraded", summary, at)
            }
        }
        News::Degraded(false) => not_degraded(service, at),
        News::Rollback { ejections, within } => {
            let within = in_words(*within);
            let summary = format!("the canary was ejected {ejections} times within {within}: roll it back");
            let mut notice = firing(service, topic(ROLLBACK, service), ROLLBACK, summary, at);
            (notice.kind, notice.severity) = (NoticeKind::Info, Severity::Critical);
            notice.details.extend([detail("ejections", ejections.to_string()), detail("within", within)]);
            notice
        }
        News::Health(_) | News::Out { .. } | News::Back(_) | News::Accused(_) | News::Drain { .. } => return None,
        News::Weights(_) | News::Grown | News::Waived => return None,
    })
}

/// Whether any of stable is left, told whenever one of them has changed.
fn of_stable(state: &ServiceState, change: &Change, at: SystemTime) -> Option<Notice> {
    let stable = |target: &ProbeTarget| target.track == Track::Stable;
    let touched = change.rotations.iter().any(|rotation| stable(&rotation.target))
        || change.news.iter().any(|news| matches!(news, News::Health(target) if stable(target)));
    let service = &state.spec.name;
    let tally = state.tally(&state.plan, Track::Stable);
    let all_down = !state.members.iter().any(|member| member.is(Track::Stable) && member.is_up());
    touched.then(|| {
        if all_down {
            let summary = format!("all {} of stable are down", tally.of);
            Notice {
                severity: Severity::Critical,
                ..firing(service, topic("stable", service), "stable_down", summary, at)
            }
        } else {
            let summary = format!("{} of {} of stable are up", tally.up, tally.of);
            recovered(service, topic("stable", service), "stable_up", summary, at)
        }
    })
}

fn ejected_by(reason: Reason) -> &'static str {
    match reason {
        Reason::Alert => "the canary is ejected by an alert",
        Reason::Probe => "the canary is ejected: its probes fail",
        Reason::Live => "the canary is ejected: it fails requests of clients",
        Reason::Operator => "the canary is ejected by an operator",
        Reason::Peer => "the canary is ejected: another balancer has seen it fail",
        Reason::AlertUnread | Reason::Unprobed | Reason::Proving | Reason::Trial => "the canary is out",
    }
}

fn offence(news: &News) -> Option<String> {
    match news {
        News::Accused(offence) => Some(offence.to_string()),
        _ => None,
    }
}

fn firing(service: &ServiceName, topic: Arc<str>, event: &str, summary: String, at: SystemTime) -> Notice {
    Notice {
        topic,
        kind: NoticeKind::Firing,
        severity: Severity::Warning,
        source: "".into(),
        service: Some(service.clone()),
        event: event.into(),
        summary: summary.into(),
        details: Vec::new(),
        at,
    }
}

fn recovered(service: &ServiceName, topic: Arc<str>, event: &str, summary: String, at: SystemTime) -> Notice {
    let severity = Severity::Info;
    Notice { kind: NoticeKind::Recovered, severity, ..firing(service, topic, event, summary, at) }
}

/// `gate:web`, `degraded:web`, `stable:web`, `rollback:web`.
fn topic(matter: &str, service: &ServiceName) -> Arc<str> {
    format!("{matter}:{service}").into()
}

/// `backend:web:web1`.
fn backend_topic(target: &ProbeTarget) -> Arc<str> {
    format!("backend:{}:{}", target.service, target.backend).into()
}

fn detail(name: &str, value: impl Into<Arc<str>>) -> (Arc<str>, Arc<str>) {
    (name.into(), value.into())
}

fn whole(length: Duration) -> Duration {
    Duration::from_millis(u64::try_from(length.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::fleet::Fleet;
    use crate::control::specimen::{alert, end_trial, healthy, moment, pass_trial, probe, service};

    fn told(fleet: &Fleet, change: &Change) -> Vec<String> {
        let word = |notice: Notice| format!("{:?} {} {}", notice.kind, notice.topic, notice.event);
        of(&fleet.services[0], change, SystemTime::UNIX_EPOCH).into_iter().map(word).collect()
    }

    #[test]
    fn an_ejection_names_its_cause_and_the_return_ends_it() {
        let mut fleet = healthy((2, &["a"]), (1, &["c"]));
        let out = alert(&mut fleet, true).unwrap();
        let notices = of(&fleet.services[0], &out, SystemTime::UNIX_EPOCH);
        assert_eq!(notices.len(), 1, "{notices:?}");
        let details: Vec<_> = notices[0].details.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(details, ["reason=alert", "api=slow"]);
        alert(&mut fleet, false);
        probe(&mut fleet, Track::Canary, "c", true);
        probe(&mut fleet, Track::Canary, "c", true);
        let back = end_trial(&mut fleet, true, moment());
        assert_eq!(told(&fleet, &back[0]), ["Recovered gate:web readmitted"]);
    }

    #[test]
    fn stable_is_told_by_backend_and_as_a_whole() {
        let mut fleet = healthy((2, &["a", "b"]), (1, &["c"]));
        let first = probe(&mut fleet, Track::Stable, "a", false).unwrap();
        assert_eq!(told(&fleet, &first), ["Firing backend:web:a backend_down", "Recovered stable:web stable_up"]);
        let last = probe(&mut fleet, Track::Stable, "b", false).unwrap();
        assert_eq!(told(&fleet, &last), ["Firing backend:web:b backend_down", "Firing stable:web stable_down"]);
        let back = probe(&mut fleet, Track::Stable, "b", true).unwrap();
        assert_eq!(told(&fleet, &back), ["Recovered backend:web:b backend_up", "Recovered stable:web stable_up"]);
        let canary = probe(&mut fleet, Track::Canary, "c", false).unwrap();
        assert_eq!(told(&fleet, &canary), ["Firing gate:web ejected"]);
    }

    #[test]
    fn a_canary_that_was_ejected_too_often_is_to_be_rolled_back_once() {
        let mut fleet = healthy((2, &["a"]), (1, &["c"]));
        let hook = crate::model::WebhookSettings {
            url: "http://deploy.test/".to_owned(),
            secret: None,
            events: Vec::new(),
            timeout: Duration::from_secs(1),
        };
        let (ejections, within) = (std::num::NonZeroU32::new(2).unwrap(), Duration::from_secs(600));
        fleet.services[0].spec.rollback = Some(crate::model::RollbackSpec { hook, ejections, within });
        let mut called = Vec::new();
        for _ in 0..4 {
            let out = probe(&mut fleet, Track::Canary, "c", false).unwrap();
            called.push(told(&fleet, &out).contains(&"Info rollback:web rollback".to_owned()));
            for _ in 0..3 {
                probe(&mut fleet, Track::Canary, "c", true);
            }
            pass_trial(&mut fleet);
        }
        assert_eq!(called, [false, true, false, false]);
    }

    #[test]
    fn balancers_name_the_rollback_of_one_canary_alike() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let key = |backends: &[&str], seconds| rollback_key(&service((2, &["a"]), (1, backends)), at(seconds));
        assert_eq!(key(&["c", "d"], 60), key(&["d", "c"], 119));
        assert_ne!(key(&["c", "d"], 60), key(&["c", "d"], 120));
        assert_ne!(key(&["c", "d"], 60), key(&["c"], 60));
        assert!(key(&["c"], 0).chars().all(|c| c.is_ascii_alphanumeric() || c == '-'));
    }
}
