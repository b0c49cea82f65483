//! From a request's host and path to its backend. Bar for loading the table: under 5 ns.

use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use coalmine::metrics::Metrics;
use coalmine::model::{
    BackendId, Balance, HostPattern, PathPrefix, PoolLimits, ProbeTarget, RetrySpec, ServiceName, StatusRanges,
    Timeouts, Track,
};
use coalmine::proxy::split;
use coalmine::table::{self, Backend, Lane, Positions, Routed, Router, RoutingTable, Schedule, Split, Terms};
use criterion::{Criterion, criterion_group, criterion_main};
use http::HeaderValue;

fn load(c: &mut Criterion) {
    let (mut writer, reader) = table::table();
    writer.publish(RoutingTable::default());
    c.bench_function("table/load", |b| b.iter(|| reader.read(|table| table.generation)));
}

fn route(c: &mut Criterion) {
    let any = router(&[]);
    let exact = (0..100).map(|n| format!("host{n}.example.org"));
    let below = (0..20).map(|n| format!("*.region{n}.example.net"));
    let many = router(&exact.chain(below).collect::<Vec<_>>());
    for (name, router, host) in [
        ("any host", &any, "www.example.org"),
        ("exact of 100", &many, "host57.example.org"),
        ("wildcard of 20", &many, "shop.eu.region13.example.net"),
        ("no host of 120", &many, "www.example.com"),
    ] {
        c.bench_function(&format!("table/route {name}"), |b| {
            b.iter(|| router.find(black_box(host), black_box("/api/v1/items/4711")));
        });
    }
}

/// One service for any host after one for each pattern.
fn router(hosts: &[String]) -> Router {
    let hosts: Vec<_> = hosts.iter().map(|host| HostPattern::new(host).expect("a host")).collect();
    let root = PathPrefix::new("/").expect("a path");
    let services = hosts.iter().map(|host| (std::slice::from_ref(host), &root));
    Router::new(services.chain([(&[][..], &root)]))
}

/// Track and backend: two of stable, one of canary, at 2:1.
fn choose(c: &mut Criterion) {
    let metrics = Metrics::new();
    for balance in [Balance::RoundRobin, Balance::LeastRequest] {
        let service = Routed {
            split: Split::Both(Schedule::new(&[2, 1]).expect("the period is short")),
            balance,
            stable: Lane::new(vec![backend(1, Track::Stable, &metrics), backend(2, Track::Stable, &metrics)]),
            canary: Lane::new(vec![backend(3, Track::Canary, &metrics)]),
            trying: None,
            kept: Vec::new(),
            ejected: false,
            choice: None,
            positions: Arc::new(Positions::default()),
        };
        let table = RoutingTable { generation: 1, router: Arc::new(router(&[])), services: vec![Arc::new(service)] };
        c.bench_function(&format!("table/choose {balance:?}"), |b| {
            let service = table.route("example.org", "/").expect("the service takes any host");
            b.iter(|| split::choose(black_box(service)).map(|backend| backend.key));
        });
    }
}

fn backend(key: u64, track: Track, metrics: &Metrics) -> Arc<Backend> {
    let second = Duration::from_secs(1);
    let id = BackendId::new(format!("web{key}"));
    let service = ServiceName::new("web").expect("a name");
    Arc::new(Backend {
        key,
        id: id.clone(),
        track,
        addresses: Arc::from([SocketAddr::from(([127, 0, 0, 1], 1))]),
        authority: HeaderValue::from_static("127.0.0.1:1"),
        served_by: None,
        weight: 1,
        timeout: Timeouts { connect: second, response: second, idle: second },
        pool: PoolLimits { max_idle: 1, idle_timeout: second, max_age: second },
        metrics: metrics.data.backend(&ProbeTarget { service: service.clone(), track, backend: id }),
        terms: Arc::new(Terms { service, retry: retry(), budget: Arc::default(), alarm: Arc::default() }),
        outcomes: Arc::default(),
        together: None,
        circuit: None,
    })
}

fn retry() -> RetrySpec {
    RetrySpec {
        idempotent: false,
        buffer: 64 * 1024,
        canary_statuses: StatusRanges::none(),
        stable_statuses: StatusRanges::none(),
        budget_percent: 20,
        budget_min: 3,
    }
}

criterion_group!(benches, load, route, choose);
criterion_main!(benches);
