//! From a request's host and path to its backend. Bar for loading the table: under 5 ns.

use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use coalmine::metrics::Metrics;
use coalmine::model::{
    Affinity, BackendId, Balance, CookieSpec, Endpoint, HostPattern, PathPrefix, PoolLimits, ProbeTarget, RetrySpec,
    ServiceName, StatusRanges, TesterSpec, Timeouts, Track, Upstream,
};
use coalmine::proxy::choice::{self, Visitor};
use coalmine::proxy::split;
use coalmine::table::{
    self, Backend, Choice, Keys, Lane, Pins, Positions, Routed, Router, RoutingTable, Schedule, Split, Terms,
};
use criterion::{Criterion, criterion_group, criterion_main};
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

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

/// Track and backend, by turns.
fn choose(c: &mut Criterion) {
    for balance in [Balance::RoundRobin, Balance::LeastRequest] {
        let service = service(balance, None);
        let table = RoutingTable { generation: 1, router: Arc::new(router(&[])), services: vec![Arc::new(service)] };
        c.bench_function(&format!("table/choose {balance:?}"), |b| {
            let service = table.route("example.org", "/").expect("the service takes any host");
            b.iter(|| split::choose(black_box(service)).map(|backend| backend.key));
        });
    }
}

/// What affinity costs: a new visitor's cookie is signed, a returning one's is verified.
fn pin(c: &mut Criterion) {
    for affinity in [Affinity::Track, Affinity::Backend] {
        let cookie = CookieSpec { name: "coalmine-web".to_owned(), max_age: Duration::ZERO, secure: false };
        let keys = Arc::new(Keys::random());
        let pins = Arc::new(Pins::new(affinity, cookie, &ServiceName::new("web").expect("a name"), keys));
        let tester = TesterSpec { header: None, cookie: None, secret: None };
        let choice = Choice { tester, rules: Vec::new(), split_by: None, pins: Some(pins.clone()), has_canary: true };
        let service = service(Balance::RoundRobin, Some(Arc::new(choice)));

        let set = pins.set_cookie(Track::Canary, &BackendId::new("web3")).expect("the id is short");
        let pair = set.to_str().ok().and_then(|set| set.split(';').next()).expect("a cookie is a pair and attributes");
        let returning = HeaderMap::from_iter([(COOKIE, HeaderValue::from_str(pair).expect("it was a value"))]);
        for (name, headers) in [("new", HeaderMap::new()), ("returning", returning)] {
            let visitor = Visitor { headers: &headers, peer: [127, 0, 0, 1].into(), trusted: &[] };
            c.bench_function(&format!("table/choose {affinity:?} {name} visitor"), |b| {
                b.iter(|| choice::choose(black_box(&service), black_box(&visitor)));
            });
        }
    }
}

/// Two of stable, one of canary, at 2:1.
fn service(balance: Balance, choice: Option<Arc<Choice>>) -> Routed {
    let metrics = Metrics::new();
    Routed {
        split: Split::Both(Schedule::new(&[2, 1]).expect("the period is short")),
        balance,
        stable: Lane::new(vec![backend(1, Track::Stable, &metrics), backend(2, Track::Stable, &metrics)]),
        canary: Lane::new(vec![backend(3, Track::Canary, &metrics)]),
        trying: None,
        kept: Vec::new(),
        finishing: Vec::new(),
        ejected: false,
        choice,
        intake: None,
        positions: Arc::new(Positions::default()),
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
        address: Endpoint { host: "127.0.0.1".into(), port: 1 }.into(),
        upstream: Upstream::default(),
        secure: None,
        served_by: None,
        weight: 1,
        timeout: Timeouts { connect: second, response: second, idle: second, tunnel: second },
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

criterion_group!(benches, load, route, choose, pin);
criterion_main!(benches);
