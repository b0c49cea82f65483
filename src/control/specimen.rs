//! A service to test with, and what happens to it.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::fleet::{Change, Fleet};
use super::moment::Moment;
use crate::model::{
    Affinity, Alert, AlertKeys, AlertReading, BackendId, BackendSpec, BackendWeight, Balance, CircuitLimits,
    CookieSpec, Endpoint, GateSpec, Health, OutlierSpec, Owners, PathPrefix, PoolLimits, ProbeQuestion, ProbeReport,
    ProbeSpec, ProbeTarget, RateSpec, RetrySpec, ServiceLimits, ServiceName, ServiceSpec, StatusRanges, TesterSpec,
    Timeouts, Track, TrackSpec, Upstream, Weight,
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
        timeout: Timeouts { connect: second, response: second, idle: second, tunnel: second },
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
        limits: ServiceLimits {
            circuit: CircuitLimits { connections: 0, requests: 0, queue: 0, queue_timeout: second },
            body: 0,
            rate: RateSpec { requests: 0, burst: 0 },
        },
        gate: GateSpec { follow_peers: true },
        cookie: CookieSpec { name: "coalmine-web".to_owned(), max_age: Duration::ZERO, secure: false },
        tester: TesterSpec { header: None, cookie: None, secret: None },
        rollback: None,
        rules: Vec::new(),
        alert: AlertKeys { key: "alert:web".to_owned(), compat: Vec::new() },
        stable: track(stable),
        canary: (!canary.1.is_empty()).then(|| TrackSpec { slow_start: Some(Duration::ZERO), ..track(canary) }),
    }
}

fn track((weight, backends): (u16, &[&str])) -> TrackSpec {
    let backend = |name: &&str| BackendSpec {
        id: BackendId::new(*name),
        address: endpoint(name).into(),
        weight: BackendWeight::ONE,
    };
    TrackSpec {
        weight: Weight::new(weight).unwrap(),
        backends: backends.iter().map(backend).collect(),
        upstream: Upstream::default(),
        probe: ProbeSpec {
            question: ProbeQuestion::Http {
                path: "/".to_owned(),
                expect_status: StatusRanges::new(vec![200..=399]).unwrap(),
                expect_body: String::new(),
            },
            host: String::new(),
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

/// A moment in the middle of all chances.
pub(super) fn moment() -> Moment {
    Moment { at: Instant::now(), wall: SystemTime::now(), chance: 0.5 }
}

/// The same, later on both clocks.
pub(super) fn later(now: Moment, by: Duration) -> Moment {
    Moment { at: now.at + by, wall: now.wall + by, ..now }
}

pub(super) fn fleet(spec: ServiceSpec, now: Moment) -> Fleet {
    Fleet::new(&[spec], &Arc::default(), now)
}

/// A fleet of one service whose alert was read and whose backends have all passed a probe.
pub(super) fn healthy(stable: (u16, &[&str]), canary: (u16, &[&str])) -> Fleet {
    healthy_by(service(stable, canary), moment())
}

/// The same of any specimen.
pub(super) fn healthy_by(spec: ServiceSpec, now: Moment) -> Fleet {
    let mut fleet = fleet(spec, now);
    alert_at(&mut fleet, false, now);
    let targets: Vec<_> = fleet.services[0].members.iter().map(|member| member.target.clone()).collect();
    for target in targets {
        probe_at(&mut fleet, target.track, target.backend.as_str(), true, now);
    }
    fleet
}

/// A probe of a backend that passes or fails, and its health with it.
pub(super) fn probe(fleet: &mut Fleet, track: Track, backend: &str, passed: bool) -> Option<Change> {
    probe_at(fleet, track, backend, passed, moment())
}

pub(super) fn probe_at(fleet: &mut Fleet, track: Track, backend: &str, passed: bool, now: Moment) -> Option<Change> {
    let failure = (!passed).then(|| Arc::from("refused"));
    let health = if passed { Health::Up } else { Health::Down };
    let target = target(track, backend);
    let report = ProbeReport { target, address: endpoint(backend).into(), failure, health, seen: now.at };
    fleet.probed(&report, now)
}

pub(super) fn target(track: Track, backend: &str) -> ProbeTarget {
    ProbeTarget { service: ServiceName::new("web").unwrap(), track, backend: BackendId::new(backend) }
}

/// A reading in which an alert of one owner stands, or none.
pub(super) fn alert(fleet: &mut Fleet, stands: bool) -> Option<Change> {
    alert_at(fleet, stands, moment())
}

pub(super) fn alert_at(fleet: &mut Fleet, stands: bool, now: Moment) -> Option<Change> {
    let owners =
        if stands { Owners::from([("api".into(), Alert { reason: "slow".into(), by: None })]) } else { Owners::new() };
    let service = ServiceName::new("web").unwrap();
    fleet.alerted(&AlertReading { service, owners, seen: now.at }, now)
}

/// The service's canary passes the trial that it waits for.
pub(super) fn pass_trial(fleet: &mut Fleet) {
    end_trial(fleet, true, moment());
}

pub(super) fn end_trial(fleet: &mut Fleet, passed: bool, now: Moment) -> Vec<Change> {
    let trial = fleet.services[0].trial.as_ref().expect("a trial stands").trial.clone();
    let seat = trial.claim().expect("nobody has taken it");
    if passed {
        seat.passed()
    } else {
        seat.failed()
    }
    fleet.look(now)
}
