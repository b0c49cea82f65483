//! From what was written for an agent to [`MonitorSettings`].
//!
//! - `check`, `rule`: the two lists. `metric`: what a rule is about. `quantity`: its numbers.

mod check;
mod metric;
mod quantity;
mod rule;

use std::path::Path;
use std::time::Duration;

use super::balancer::host_name;
use super::log;
use super::notify::notify;
use super::redis::redis;
use super::scalar::duration;
use crate::config::key::Key;
use crate::config::problem::Problems;
use crate::config::raw::{RawLog, RawMonitor};
use crate::model::{MonitorSettings, Way};

/// The longest name of a check or a rule.
const LONGEST_NAME: usize = 63;

/// `complete` tells that nothing was left out of `raw` for its shape; otherwise metrics are not looked for among the
/// checks, nor actions among those who are told.
pub(in crate::config) fn monitor(
    problems: &mut Problems<'_>,
    raw: &RawMonitor,
    directory: &Path,
    complete: bool,
) -> Option<MonitorSettings> {
    let range = Duration::from_millis(50)..=Duration::from_secs(10);
    let interval = duration(problems, &Key::top("interval"), &raw.interval, range);
    let host = host(problems, &raw.host);
    let cgroup = cgroup(problems, &raw.cgroup);
    let (level, format) = (raw.log.level.clone(), raw.log.format.clone());
    let log = log::log(problems, &RawLog { level, format, ..RawLog::default() });
    let redis = raw.redis.as_ref().map(|raw| redis(problems, raw, directory));
    let notify = notify(problems, &raw.notify, directory);
    let checks = check::checks(problems, &raw.check);
    let known = complete.then(|| raw.check.iter().filter_map(|check| check.name.as_deref()).collect::<Vec<_>>());
    let mail = raw.notify.mail.as_ref().map(|_| Way::Mail);
    let webhook = raw.notify.webhook.first().map(|_| Way::Webhook);
    let ways = complete.then(|| mail.into_iter().chain(webhook).collect::<Vec<_>>());
    let surroundings = rule::Surroundings {
        redis_prefix: raw.redis.as_ref().map(|redis| redis.prefix.as_str()),
        checks: known.as_deref(),
        ways: ways.as_deref(),
    };
    let rules = rule::rules(problems, &raw.rule, &surroundings);
    Some(MonitorSettings {
        host: host?,
        interval: interval?,
        cgroup: cgroup?,
        log: log?,
        redis: redis.map_or(Some(None), |redis| redis.map(Some))?,
        notify: notify?,
        checks: checks?,
        rules: rules?,
    })
}

/// The owner of alerts, which must not be another's.
fn host(problems: &mut Problems<'_>, text: &str) -> Option<String> {
    let key = Key::top("host");
    match host_name(problems, &key, text)? {
        taken if taken == "api" => {
            problems.refuse(&key, taken, "alerts of `api` are those of the balancers' API", "write another name")
        }
        name => Some(name),
    }
}

fn cgroup(problems: &mut Problems<'_>, text: &str) -> Option<String> {
    let plain = text.split('/').skip(1).all(|name| !name.is_empty() && name != "." && name != "..");
    if text.is_empty() || (text.starts_with('/') && plain && !text.contains(char::is_control)) {
        return Some(text.to_owned());
    }
    let remedy = "write the path below /sys/fs/cgroup, such as \"/system.slice/checkbox.service\"; \"\" finds it";
    problems.refuse(&Key::top("cgroup"), text, "not a path of a cgroup", remedy)
}

/// The name of a check or a rule.
fn name<'a>(problems: &mut Problems<'_>, key: &Key, text: Option<&'a str>) -> Option<&'a str> {
    let remedy = "write 1 to 63 of a-z, A-Z, 0-9, \".\", \"_\" and \"-\"";
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    match text {
        None => problems.miss(key, "there is no name", remedy),
        Some(text) if (1..=LONGEST_NAME).contains(&text.len()) && text.chars().all(allowed) => Some(text),
        Some(text) => problems.refuse(key, text, "not a name", remedy),
    }
}

/// Refuses every name that stands before.
fn names_differ<'a>(problems: &mut Problems<'_>, key: &Key, names: impl Iterator<Item = Option<&'a str>>) -> bool {
    let mut seen = Vec::new();
    let mut differ = true;
    for (index, name) in names.enumerate() {
        let Some(name) = name else { continue };
        if seen.contains(&name) {
            let key = key.index(index).field("name");
            problems.refuse::<()>(&key, name, "the name is taken", "give each a name of its own");
            differ = false;
        }
        seen.push(name);
    }
    differ
}
