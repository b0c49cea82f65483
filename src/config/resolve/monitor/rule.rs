//! `[[rule]]` of an agent.

use std::time::Duration;

use super::metric::metric;
use super::quantity::{Bounds, Written, bounds};
use super::{name, names_differ};
use crate::config::key::Key;
use crate::config::problem::Problems;
use crate::config::raw::RawWatchRule;
use crate::config::resolve::alert::old_names;
use crate::config::resolve::scalar::{DAY, duration, word};
use crate::config::resolve::service::name as service_name;
use crate::model::{HostMetric, OnLost, ServiceName, Severity, Unit, WatchActions, WatchAlert, WatchRule, Way};

const MOST: usize = 64;
const TTL: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=DAY;

/// What stands around the rules.
pub(super) struct Surroundings<'a> {
    /// `None`: there is no Redis.
    pub(super) redis_prefix: Option<&'a str>,
    /// The names of all checks; `None`: they are not known.
    pub(super) checks: Option<&'a [&'a str]>,
    /// The ways that lead to somebody; `None`: they are not known.
    pub(super) ways: Option<&'a [Way]>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Action {
    Alert,
    Way(Way),
}

pub(super) fn rules(
    problems: &mut Problems<'_>,
    raw: &[RawWatchRule],
    around: &Surroundings<'_>,
) -> Option<Vec<WatchRule>> {
    let key = Key::top("rule");
    if raw.is_empty() {
        let remedy = "add a [[rule]] with a name, a metric and a threshold; config/monitor.toml has examples";
        return problems.miss(&key, "there is no rule", remedy);
    }
    if raw.len() > MOST {
        return problems.refuse(&key, raw.len(), format!("more than {MOST} rules"), "keep the rules that matter");
    }
    let rules: Vec<_> =
        raw.iter().enumerate().map(|(index, raw)| rule(problems, &key.index(index), raw, around)).collect();
    names_differ(problems, &key, raw.iter().map(|raw| raw.name.as_deref())).then_some(())?;
    rules.into_iter().collect()
}

fn rule(problems: &mut Problems<'_>, key: &Key, raw: &RawWatchRule, around: &Surroundings<'_>) -> Option<WatchRule> {
    let name = name(problems, &key.field("name"), raw.name.as_deref());
    let metric = metric(problems, &key.field("metric"), raw.metric.as_deref(), around.checks);
    let written = Written { above: raw.above.as_ref(), below: raw.below.as_ref(), clear: raw.clear.as_ref() };
    // Of an unknown metric any number may be meant.
    let unit = metric.as_ref().map_or(Unit::Number, HostMetric::unit);
    let bounds = metric.as_ref().and_then(|_| bounds(problems, key, &written, unit));
    let hold = duration(problems, &key.field("for"), &raw.hold, Duration::ZERO..=DAY);
    let severities = [("info", Severity::Info), ("warning", Severity::Warning), ("critical", Severity::Critical)];
    let severity = word(problems, &key.field("severity"), &raw.severity, &severities);
    let actions = actions(problems, key, raw, around);
    let Bounds { side, threshold, clear } = bounds?;
    Some(WatchRule {
        name: name?.into(),
        metric: metric?,
        side,
        threshold,
        clear,
        hold: hold?,
        severity: severity?,
        actions: actions?,
    })
}

fn actions(
    problems: &mut Problems<'_>,
    key: &Key,
    raw: &RawWatchRule,
    around: &Surroundings<'_>,
) -> Option<WatchActions> {
    let list_key = key.field("actions");
    let words = [("alert", Action::Alert), ("mail", Action::Way(Way::Mail)), ("webhook", Action::Way(Way::Webhook))];
    if raw.actions.is_empty() {
        problems.refuse::<()>(
            &list_key,
            "[]",
            "nothing follows from the rule",
            "write \"alert\", \"mail\" or \"webhook\"",
        );
    }
    let actions: Vec<_> = raw
        .actions
        .iter()
        .enumerate()
        .map(|(index, text)| {
            let action = word(problems, &list_key.index(index), text, &words)?;
            leads_somewhere(problems, &list_key.index(index), action, around).then_some(action)
        })
        .collect();
    let service = service(problems, key, raw);
    let alerts = raw.actions.iter().any(|action| action == "alert");
    let alert = if alerts { alert(problems, key, raw, around).map(Some) } else { no_alert(problems, key, raw) };
    let actions = actions.into_iter().collect::<Option<Vec<_>>>().filter(|actions| !actions.is_empty())?;
    let mut ways = Vec::new();
    for action in actions {
        if let Action::Way(way) = action
            && !ways.contains(&way)
        {
            ways.push(way);
        }
    }
    Some(WatchActions { service: service?, alert: alert?, ways })
}

/// Whoever is to be told has to be named.
fn leads_somewhere(problems: &mut Problems<'_>, key: &Key, action: Action, around: &Surroundings<'_>) -> bool {
    let (Action::Way(way), Some(ways)) = (action, around.ways) else { return true };
    if ways.contains(&way) {
        return true;
    }
    let (why, table) = match way {
        Way::Mail => ("nobody gets a mail", "[notify.mail]"),
        Way::Webhook => ("there is no URL to post to", "[[notify.webhook]]"),
    };
    let remedy = format!("add a {table} table, or take \"{}\" out of actions", way.as_str());
    problems.refuse::<()>(key, way.as_str(), why, remedy);
    false
}

fn service(problems: &mut Problems<'_>, key: &Key, raw: &RawWatchRule) -> Option<Option<ServiceName>> {
    let key = key.field("service");
    if !raw.service.is_empty() {
        return service_name(problems, &key, Some(&raw.service)).map(Some);
    }
    if raw.actions.iter().any(|action| action == "alert") {
        let remedy = "name the service of the balancer whose canary runs here, or take \"alert\" out of actions";
        return problems.miss(&key, "an alert is about a service", remedy);
    }
    Some(None)
}

fn alert(problems: &mut Problems<'_>, key: &Key, raw: &RawWatchRule, around: &Surroundings<'_>) -> Option<WatchAlert> {
    if around.redis_prefix.is_none() {
        let remedy = "add a [redis] table, or take \"alert\" out of actions";
        problems.refuse::<()>(&key.field("actions"), "alert", "alerts are kept in Redis", remedy);
    }
    let ttl = duration(problems, &key.field("ttl"), raw.ttl.as_deref().unwrap_or(RawWatchRule::TTL), TTL);
    let words = [("clear", OnLost::Clear), ("keep", OnLost::Keep)];
    let on_lost = raw.on_lost.as_deref().unwrap_or(RawWatchRule::ON_LOST);
    let on_lost = word(problems, &key.field("on_lost"), on_lost, &words);
    let compat = old_names(problems, &key.field("compat"), &raw.compat, around.redis_prefix);
    around.redis_prefix?;
    Some(WatchAlert { ttl: ttl?, on_lost: on_lost?, compat: compat? })
}

/// Whoever writes how an alert stands means to have one.
fn no_alert(problems: &mut Problems<'_>, key: &Key, raw: &RawWatchRule) -> Option<Option<WatchAlert>> {
    let compat = (!raw.compat.is_empty()).then(|| raw.compat.join(", "));
    let written = [("ttl", raw.ttl.clone()), ("on_lost", raw.on_lost.clone()), ("compat", compat)];
    let mut unused = written.into_iter().filter_map(|(field, text)| Some((field, text?))).peekable();
    let none = unused.peek().is_none();
    for (field, text) in unused {
        let remedy = "add \"alert\" to actions, or remove it";
        problems.refuse::<()>(&key.field(field), text, "the rule raises no alert", remedy);
    }
    none.then_some(None)
}
