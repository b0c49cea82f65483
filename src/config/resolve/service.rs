//! `[[service]]`: one by itself.

use super::alert::alert;
use super::scalar::{LASTING, duration, whole, word};
use super::track::tracks;
use crate::config::key::Key;
use crate::config::problem::Problems;
use crate::config::raw::{RawPool, RawService, RawTimeout};
use crate::model::{Balance, HostPattern, PathPrefix, PoolLimits, ServiceName, ServiceSpec, Timeouts};

pub(super) fn service(
    problems: &mut Problems<'_>,
    key: &Key,
    raw: &RawService,
    redis_prefix: Option<&str>,
) -> Option<ServiceSpec> {
    let name = name(problems, &key.field("name"), raw.name.as_deref());
    let hosts = hosts(problems, &key.field("hosts"), &raw.hosts);
    let path_prefix = PathPrefix::new(&raw.path_prefix).or_else(|| {
        let remedy = "write a path that begins with \"/\", without query";
        problems.refuse(&key.field("path_prefix"), &raw.path_prefix, "not a path prefix", remedy)
    });
    let words = [("round_robin", Balance::RoundRobin), ("least_request", Balance::LeastRequest)];
    let balance = word(problems, &key.field("balance"), &raw.balance, &words);
    let timeout = timeouts(problems, &key.field("timeout"), &raw.timeout);
    let pool = pool(problems, &key.field("pool"), &raw.pool);
    let tracks = tracks(problems, key, raw);
    let alert = alert(problems, &key.field("alert"), &raw.alert, name.as_ref(), redis_prefix);
    let (stable, canary) = tracks?;
    let name = name?;
    Some(ServiceSpec {
        affinity: crate::model::Affinity::None,
        split_by: None,
        retry: crate::model::RetrySpec {
            idempotent: false,
            buffer: 64 * 1024,
            canary_statuses: crate::model::StatusRanges::new(vec![500..=500, 502..=504])?,
            stable_statuses: crate::model::StatusRanges::new(vec![502..=504])?,
            budget_percent: 20,
            budget_min: 3,
        },
        outlier: crate::model::OutlierSpec {
            consecutive: 5,
            success_percent: 90,
            window: std::time::Duration::from_secs(10),
            min_requests: 20,
            max_ejected_percent: 20,
            base_ejection: std::time::Duration::from_secs(1),
            max_ejection: std::time::Duration::from_secs(300),
        },
        limits: crate::model::CircuitLimits {
            connections: 0,
            requests: 0,
            queue: 0,
            queue_timeout: std::time::Duration::from_secs(1),
        },
        gate: crate::model::GateSpec { follow_peers: true },
        cookie: crate::model::CookieSpec {
            name: format!("coalmine-{name}"),
            max_age: std::time::Duration::ZERO,
            secure: false,
        },
        tester: crate::model::TesterSpec { header: None, cookie: None, secret: None },
        rules: Vec::new(),
        name,
        hosts: hosts?,
        path_prefix: path_prefix?,
        balance: balance?,
        served_by_header: raw.served_by_header,
        timeout: timeout?,
        pool: pool?,
        alert: alert?,
        stable,
        canary,
    })
}

fn name(problems: &mut Problems<'_>, key: &Key, text: Option<&str>) -> Option<ServiceName> {
    let remedy = "write 1 to 63 of a-z, 0-9 and -";
    match text {
        Some(text) => ServiceName::new(text).or_else(|| problems.refuse(key, text, "not a name of a service", remedy)),
        None => problems.miss(key, "the service has no name", remedy),
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

fn timeouts(problems: &mut Problems<'_>, key: &Key, raw: &RawTimeout) -> Option<Timeouts> {
    let connect = duration(problems, &key.field("connect"), &raw.connect, LASTING);
    let response = duration(problems, &key.field("response"), &raw.response, LASTING);
    let idle = duration(problems, &key.field("idle"), &raw.idle, LASTING);
    Some(Timeouts { connect: connect?, response: response?, idle: idle? })
}

fn pool(problems: &mut Problems<'_>, key: &Key, raw: &RawPool) -> Option<PoolLimits> {
    let max_idle = whole(problems, &key.field("max_idle"), raw.max_idle, 0..=65_536_u32);
    let idle_timeout = duration(problems, &key.field("idle_timeout"), &raw.idle_timeout, LASTING);
    let max_age = duration(problems, &key.field("max_age"), &raw.max_age, LASTING);
    let max_idle = max_idle.and_then(|max| usize::try_from(max).ok());
    Some(PoolLimits { max_idle: max_idle?, idle_timeout: idle_timeout?, max_age: max_age? })
}
