//! `[[service]]`: one by itself.

use std::path::Path;

use super::affinity::cookie;
use super::alert::alert;
use super::choice::{rules, tester};
use super::limits::service_limits;
use super::notify::rollback as rollback_hook;
use super::outlier::outlier;
use super::retry::retry;
use super::scalar::{LASTING, duration, whole, word};
use super::token::header;
use super::track::tracks;
use crate::config::key::Key;
use crate::config::problem::Problems;
use crate::config::raw::{RawPool, RawService, RawTimeout};
use crate::model::{
    Affinity, Balance, CookieSpec, GateSpec, HostPattern, PathPrefix, PoolLimits, ServiceName, ServiceSpec, TesterSpec,
    Timeouts,
};
use crate::table::normalized;

/// What a service needs to know of the rest of the configuration.
pub(super) struct Surroundings<'a> {
    /// Where relative paths of secrets begin.
    pub(super) directory: &'a Path,
    /// `None` without a store.
    pub(super) redis_prefix: Option<&'a str>,
}

pub(super) fn service(
    problems: &mut Problems<'_>,
    key: &Key,
    raw: &RawService,
    around: &Surroundings<'_>,
) -> Option<ServiceSpec> {
    let name = name(problems, &key.field("name"), raw.name.as_deref());
    let hosts = hosts(problems, &key.field("hosts"), &raw.hosts);
    let path_prefix = path_prefix(problems, &key.field("path_prefix"), &raw.path_prefix);
    let words = [("round_robin", Balance::RoundRobin), ("least_request", Balance::LeastRequest)];
    let balance = word(problems, &key.field("balance"), &raw.balance, &words);
    let words = [("none", Affinity::None), ("track", Affinity::Track), ("backend", Affinity::Backend)];
    let affinity = word(problems, &key.field("affinity"), &raw.affinity, &words);
    let split_by = header(problems, &key.field("split_by"), &raw.split_by);
    let timeout = timeouts(problems, &key.field("timeout"), &raw.timeout);
    let pool = pool(problems, &key.field("pool"), &raw.pool);
    let alert = alert(problems, &key.field("alert"), &raw.alert, name.as_ref(), around.redis_prefix);
    let retry = retry(problems, &key.field("retry"), &raw.retry);
    let outlier = outlier(problems, &key.field("outlier"), &raw.outlier);
    let limits = service_limits(problems, &key.field("limits"), &raw.limits);
    let cookie = cookie(problems, &key.field("cookie"), &raw.cookie, name.as_ref());
    let tester = tester(problems, &key.field("tester"), &raw.tester, around.directory);
    let rollback = raw.rollback.as_ref().map(|rollback| {
        rollback_hook(problems, &key.field("rollback"), rollback, raw.canary.is_some(), around.directory)
    });
    let rules = rules(problems, &key.field("rule"), &raw.rule, raw.canary.is_some());
    let tracks = tracks(problems, key, raw, around.directory);
    if affinity.is_some_and(|affinity| affinity != Affinity::None) {
        cookies_differ(problems, key, cookie.as_ref()?, tester.as_ref()?)?;
    }
    let (stable, canary) = tracks?;
    Some(ServiceSpec {
        name: name?,
        hosts: hosts?,
        path_prefix: path_prefix?,
        balance: balance?,
        served_by_header: raw.served_by_header,
        affinity: affinity?,
        split_by: split_by?,
        timeout: timeout?,
        pool: pool?,
        alert: alert?,
        retry: retry?,
        outlier: outlier?,
        limits: limits?,
        gate: GateSpec { follow_peers: raw.gate.follow_peers },
        cookie: cookie?,
        tester: tester?,
        rollback: rollback.map_or(Some(None), |rollback| rollback.map(Some))?,
        rules: rules?,
        stable,
        canary,
    })
}

pub(super) fn name(problems: &mut Problems<'_>, key: &Key, text: Option<&str>) -> Option<ServiceName> {
    let remedy = "write 1 to 63 of a-z, 0-9 and -";
    match text {
        Some(text) => ServiceName::new(text).or_else(|| problems.refuse(key, text, "not a name of a service", remedy)),
        None => problems.miss(key, "the service has no name", remedy),
    }
}

/// A prefix that is not in its normal form would refuse every request that it matches.
fn path_prefix(problems: &mut Problems<'_>, key: &Key, text: &str) -> Option<PathPrefix> {
    let Some(prefix) = PathPrefix::new(text) else {
        let remedy = "write a path that begins with \"/\", without query";
        return problems.refuse(key, text, "not a path prefix", remedy);
    };
    match normalized(text) {
        Some(normal) if normal == text => Some(prefix),
        Some(normal) => problems.refuse(key, text, "it can be read as another path", format!("write `{normal}`")),
        None => problems.refuse(key, text, "it leads nowhere", "write a path without NUL that stays below \"/\""),
    }
}

fn hosts(problems: &mut Problems<'_>, key: &Key, texts: &[String]) -> Option<Vec<HostPattern>> {
    let mut hosts = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        let key = key.index(index);
        match HostPattern::new(text) {
            Some(host) if hosts.contains(&host) => {
                problems.refuse::<()>(&key, text, "the same host is named twice", "remove one of the two");
            }
            Some(host) => hosts.push(host),
            None => {
                let remedy = "write a name without port, such as \"www.example.org\" or \"*.example.org\"";
                problems.refuse::<()>(&key, text, "not a host", remedy);
            }
        }
    }
    (hosts.len() == texts.len()).then_some(hosts)
}

fn cookies_differ(problems: &mut Problems<'_>, key: &Key, own: &CookieSpec, tester: &TesterSpec) -> Option<()> {
    if tester.cookie.as_ref() != Some(&own.name) {
        return Some(());
    }
    let remedy = "write another name for one of the two";
    problems.refuse(&key.field("tester").field("cookie"), &own.name, "visitors are kept with this cookie", remedy)
}

fn timeouts(problems: &mut Problems<'_>, key: &Key, raw: &RawTimeout) -> Option<Timeouts> {
    let connect = duration(problems, &key.field("connect"), &raw.connect, LASTING);
    let response = duration(problems, &key.field("response"), &raw.response, LASTING);
    let idle = duration(problems, &key.field("idle"), &raw.idle, LASTING);
    let tunnel = duration(problems, &key.field("tunnel"), &raw.tunnel, LASTING);
    Some(Timeouts { connect: connect?, response: response?, idle: idle?, tunnel: tunnel? })
}

fn pool(problems: &mut Problems<'_>, key: &Key, raw: &RawPool) -> Option<PoolLimits> {
    let max_idle = whole(problems, &key.field("max_idle"), raw.max_idle, 0..=65_536_u32);
    let idle_timeout = duration(problems, &key.field("idle_timeout"), &raw.idle_timeout, LASTING);
    let max_age = duration(problems, &key.field("max_age"), &raw.max_age, LASTING);
    let max_idle = max_idle.and_then(|max| usize::try_from(max).ok());
    Some(PoolLimits { max_idle: max_idle?, idle_timeout: idle_timeout?, max_age: max_age? })
}
