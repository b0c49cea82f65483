//! A service to test with, and what happens to it.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::fleet::{Change, Fleet};
use crate::model::{
    Affinity, Alert, AlertKeys, AlertReading, BackendId, BackendSpec, BackendWeight, Balance, CircuitLimits,
    CookieSpec, Endpoint, GateSpec, Health, OutlierSpec, Owners, PathPrefix, PoolLimits, ProbeReport, ProbeSpec,
    ProbeTarget, RetrySpec, ServiceName, ServiceSpec, StatusRanges, TesterSpec, Timeouts, Track, TrackSpec, Weight,
};

/// Passes that re-admit a canary.
pub(super) const RISE: u32 = 2;

/// The service `web`: for each track its weight and the names of its backends, which are their hosts as well.
pub(super) fn service(stable: (u16, &[&str]), canary: (u16, &[&str])) -> ServiceSpec {
    let second = Duration::from_secs(1);
    ServiceSpec {
        name: ServiceName::new("web").unwrap(),
        hosts: Vec::new(),
        path_prefix: PathPrefix::new("/").unwrap(),
        balance: Balance::RoundRobin,
        served_by_header: false,
        timeout: Timeouts { connect: second, response: second, idle: second },
        pool: PoolLimits { max_idle: 1, idle_timeout: second, max_age: second },
        affinity: Affinity::None,
        split_by: None,
        retry: RetrySpec::specimen(),
        outlier: OutlierSpec {
            consecutive: 5,
            success_percent: 90,
            window: Duration::from_secs(10),
            min_requests: 20,
            max_ejected_percent: 20,
            base_ejection: second,
            max_ejection: Duration::from_secs(300),
        },
        limits: CircuitLimits { connections: 0, requests: 0, queue: 0, queue_timeout: second },
        gate: GateSpec { follow_peers: true },
        cookie: CookieSpec { name: "coalmine-web".to_owned(), max_age: Duration::ZERO, secure: false },
        tester: TesterSpec { header: None, cookie: None, secret: None },
        rules: Vec::new(),
        alert: AlertKeys { key: "alert:web".to_owned(), compat: Vec::new() },
        stable: track(stable),
        canary: (!canary.1.is_empty()).then(|| TrackSpec { slow_start: Some(Duration::ZERO), ..track(canary) }),
    }
}

fn track((weight, backends): (u16, &[&str])) -> TrackSpec {
    let backend =
        |name: &&str| BackendSpec { id: BackendId::new(*name), address: endpoint(name), weight: BackendWeight::ONE };
    TrackSpec {
        weight: Weight::new(weight).unwrap(),
        backends: backends.iter().map(backend).collect(),
        probe: ProbeSpec {
            path: "/".to_owned(),
            host: String::new(),
            expect_status: StatusRanges::new(vec![200..=399]).unwrap(),
            expect_body: String::new(),
            interval: Duration::from_secs(1),
            timeout: Duration::from_secs(1),
            fall: NonZeroU32::MIN,
            rise: NonZeroU32::new(RISE).unwrap(),
        },
        min_up: None,
        slow_start: None,
    }
}

pub(super) fn endpoint(host: &str) -> Endpoint {
    Endpoint { host: host.into(), port: 80 }
}

/// A fleet of one service whose alert was read and whose backends have all passed a probe.
pub(super) fn healthy(stable: (u16, &[&str]), canary: (u16, &[&str])) -> Fleet {
    let mut fleet = Fleet::new(&[service(stable, canary)], SystemTime::UNIX_EPOCH);
    alert(&mut fleet, false);
    let tracks = [(Track::Stable, stable.1), (Track::Canary, canary.1)];
    for (track, name) in tracks.iter().flat_map(|(track, names)| names.iter().map(move |name| (*track, name))) {
        probe(&mut fleet, track, name, true);
    }
    fleet
}

/// A probe of a backend that passes or fails, and its health with it.
pub(super) fn probe(fleet: &mut Fleet, track: Track, backend: &str, passed: bool) -> Option<Change> {
    let target = ProbeTarget { service: ServiceName::new("web").unwrap(), track, backend: BackendId::new(backend) };
    let failure = (!passed).then(|| Arc::from("refused"));
    let health = if passed { Health::Up } else { Health::Down };
    fleet.probed(&ProbeReport { target, failure, health, seen: Instant::now() }, SystemTime::now())
}

/// A reading in which an alert of one owner stands, or none.
pub(super) fn alert(fleet: &mut Fleet, stands: bool) -> Option<Change> {
    let owners =
        if stands { Owners::from([("api".into(), Alert { reason: "slow".into(), by: None })]) } else { Owners::new() };
    let service = ServiceName::new("web").unwrap();
    fleet.alerted(&AlertReading { service, owners, seen: Instant::now() }, SystemTime::now())
}
