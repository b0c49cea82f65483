//! `[[service]]`: each by itself, then all beside each other.

use std::collections::HashSet;

use super::alert::alert;
use super::scalar::{LASTING, duration, whole, word};
use super::track::track;
use crate::config::key::Key;
use crate::config::problem::Problems;
use crate::config::raw::{RawPool, RawService, RawTimeout};
use crate::model::{
    Balance, HostPattern, PathPrefix, PoolLimits, ServiceName, ServiceSpec, Timeouts, Track, TrackSpec,
};

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

/// Refuses what would make two services one: a name, a match, an alert.
pub(super) fn services_differ(problems: &mut Problems<'_>, key: &Key, services: &[Option<ServiceSpec>]) {
    for (index, later) in services.iter().enumerate() {
        let key = key.index(index);
        let Some(later) = later else { continue };
        for earlier in services[..index].iter().flatten() {
            let name = &earlier.name;
            if *name == later.name {
                let why = "another service has this name";
                problems.refuse::<()>(&key.field("name"), name, why, "give each service a name of its own");
            }
            if let Some(host) = same_match(earlier, later) {
                let why = format!("services `{name}` and `{}` match the same requests: {host}", later.name);
                let remedy = "give them different hosts or path prefixes";
                problems.refuse::<()>(&key.field("path_prefix"), &later.path_prefix, why, remedy);
            }
            // Keys that follow from one name are one mistake with it.
            if *name != later.name && same_alert(&earlier.alert.key, &later.alert.key) {
                let why =
                    format!("an alert of one would be one of the other: service `{name}` has `{}`", earlier.alert.key);
                let remedy = "write keys of which none is the other, or the other with `:` and more";
                problems.refuse::<()>(&key.field("alert").field("key"), &later.alert.key, why, remedy);
            }
        }
    }
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

fn tracks(problems: &mut Problems<'_>, key: &Key, raw: &RawService) -> Option<(TrackSpec, Option<TrackSpec>)> {
    let probe_key = key.field("probe");
    let (stable_key, canary_key) = (key.field("stable"), key.field("canary"));
    let stable = match &raw.stable {
        Some(raw_track) => track(problems, &stable_key, Track::Stable, raw_track, (&probe_key, &raw.probe)),
        None => {
            let remedy = "add [service.stable] with backends = [\"host:port\"]";
            problems.miss(&stable_key, "the service has no stable backends", remedy)
        }
    };
    let canary = match &raw.canary {
        Some(raw_track) => track(problems, &canary_key, Track::Canary, raw_track, (&probe_key, &raw.probe)).map(Some),
        None => Some(None),
    };
    let (stable, canary) = (stable?, canary?);
    let shares = stable.weight.get() + canary.as_ref().map_or(0, |canary| canary.weight.get());
    if shares == 0 {
        let why = if canary.is_some() { "both tracks have no share" } else { "the only track has no share" };
        problems.refuse::<()>(&stable_key.field("weight"), 0, why, "write a weight from 1 to 1000");
    }
    let unique = ids_differ(problems, [(&stable_key, Some(&stable)), (&canary_key, canary.as_ref())]);
    (shares > 0 && unique).then_some((stable, canary))
}

fn ids_differ(problems: &mut Problems<'_>, tracks: [(&Key, Option<&TrackSpec>); 2]) -> bool {
    let mut seen = HashSet::new();
    let mut unique = true;
    for (key, track) in tracks {
        for (index, backend) in track.iter().flat_map(|track| &track.backends).enumerate() {
            if !seen.insert(&backend.id) {
                unique = false;
                let key = key.field("backends").index(index);
                let why = "another backend of the service has this id";
                let remedy = "remove one of the two, or give it a name: { address = \"host:port\", name = \"web2\" }";
                problems.refuse::<()>(&key, &backend.id, why, remedy);
            }
        }
    }
    unique
}

/// What both match, in words.
fn same_match(a: &ServiceSpec, b: &ServiceSpec) -> Option<String> {
    let host = match a.hosts.iter().find(|host| b.hosts.contains(host)) {
        Some(host) => format!("host `{host}`"),
        None if a.hosts.is_empty() && b.hosts.is_empty() => "any host".into(),
        None => return None,
    };
    (a.path_prefix == b.path_prefix).then(|| format!("{host}, path prefix `{}`", a.path_prefix))
}

fn same_alert(a: &str, b: &str) -> bool {
    let owns = |a: &str, b: &str| b.strip_prefix(a).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'));
    owns(a, b) || owns(b, a)
}
