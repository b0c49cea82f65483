//! The data plane alone, in this process, with a table made by hand: for what no configuration brings about on demand.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use coalmine::metrics::Metrics;
use coalmine::model::{
    BackendId, Balance, CircuitLimits, Endpoint, LimitSettings, ListenSettings, PathPrefix, PoolLimits, ProbeTarget,
    RateSpec, RetrySpec, Scheme, ServiceName, StatusRanges, Timeouts, Track, Upstream,
};
use coalmine::proxy::{self, Front, FrontSettings, Listener, Stop};
use coalmine::table::{
    Alarm, Backend, Budget, Circuit, Lane, Outcomes, Positions, Routed, Router, RoutingTable, Sample, Schedule, Split,
    TableWriter, Terms, Trial, Trying, table,
};
use http::HeaderValue;

use super::client::{Connection, Response, get};
use super::metrics::sum;

/// A running data plane with one service, `web`. Ends when dropped.
pub(crate) struct Plane {
    pub(crate) http: SocketAddr,
    pub(crate) alarm: Arc<Alarm>,
    metrics: Metrics,
    writer: TableWriter,
    terms: Arc<Terms>,
    limits: Option<CircuitLimits>,
    stable: Vec<Arc<Backend>>,
    canary: Vec<Arc<Backend>>,
    positions: Arc<Positions>,
    stop: Stop,
    front: Option<Front>,
}

/// As the configuration has it by default.
pub(crate) fn retry_spec() -> RetrySpec {
    RetrySpec {
        idempotent: false,
        buffer: 64 * 1024,
        canary_statuses: StatusRanges::new(vec![500..=500, 502..=504]).unwrap(),
        stable_statuses: StatusRanges::new(vec![502..=504]).unwrap(),
        budget_percent: 20,
        budget_min: 3,
    }
}

impl Plane {
    /// One worker, and no backend yet.
    pub(crate) fn start(retry: RetrySpec) -> Self {
        Self::start_with(retry, None, 1)
    }

    /// The same with limits for each backend.
    pub(crate) fn start_with(retry: RetrySpec, limits: Option<CircuitLimits>, workers: usize) -> Self {
        let (writer, reader) = table();
        let (metrics, stop, alarm) = (Metrics::new(), Stop::default(), Arc::new(Alarm::default()));
        let settings = FrontSettings {
            listen: listen(),
            limits: front_limits(),
            access: None,
            table: reader,
            metrics: metrics.data.clone(),
            tls: None,
            redirect: None,
            challenges: None,
            stop: stop.clone(),
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let http = listener.local_addr().unwrap();
        let socket = || Listener { scheme: Scheme::Http, socket: listener.try_clone().unwrap() };
        let sockets = (0..workers).map(|_| vec![socket()]).collect();
        let front = proxy::start(&settings, sockets, Vec::new()).unwrap();
        let terms = Terms {
            service: ServiceName::new("web").unwrap(),
            retry,
            budget: Arc::new(Budget::default()),
            alarm: alarm.clone(),
        };
        Self {
            http,
            alarm,
            metrics,
            writer,
            terms: Arc::new(terms),
            limits,
            stable: Vec::new(),
            canary: Vec::new(),
            positions: Arc::default(),
            stop,
            front: Some(front),
        }
    }

    pub(crate) fn stable(mut self, id: &str, address: SocketAddr) -> Self {
        self.stable.push(self.backend(id, Track::Stable, address));
        self
    }

    pub(crate) fn canary(mut self, id: &str, address: SocketAddr) -> Self {
        self.canary.push(self.backend(id, Track::Canary, address));
        self
    }

    /// Every request goes to the canary.
    pub(crate) fn all_to_canary(mut self) -> Self {
        self.publish(Split::Both(Schedule::new(&[0, 1]).unwrap()), true, None);
        self
    }

    /// There is no canary, or it is out.
    pub(crate) fn all_to_stable(mut self) -> Self {
        self.eject();
        self
    }

    pub(crate) fn eject(&mut self) {
        self.publish(Split::Only(Track::Stable), false, None);
    }

    /// The canary is out, and one request may try it.
    pub(crate) fn put_to_trial(&mut self) -> Arc<Trial> {
        let trial = Arc::new(Trial::new(self.alarm.clone()));
        self.publish(Split::Only(Track::Stable), false, Some(trial.clone()));
        trial
    }

    fn publish(&mut self, split: Split, admitted: bool, trial: Option<Arc<Trial>>) {
        let canary = || Lane::new(self.canary.clone());
        let routed = Routed {
            split,
            balance: Balance::RoundRobin,
            stable: Lane::new(self.stable.clone()),
            canary: if admitted { canary() } else { Lane::default() },
            trying: trial.map(|trial| Trying { trial, lane: canary(), grpc: false }),
            kept: Vec::new(),
            finishing: Vec::new(),
            ejected: !admitted,
            choice: None,
            intake: None,
            positions: self.positions.clone(),
        };
        let prefix = PathPrefix::new("/").unwrap();
        let router = Arc::new(Router::new([(&[][..], &prefix)]));
        self.writer.publish(RoutingTable { router, services: vec![Arc::new(routed)], ..RoutingTable::default() });
    }

    fn backend(&self, id: &str, track: Track, address: SocketAddr) -> Arc<Backend> {
        let target = ProbeTarget { service: self.terms.service.clone(), track, backend: BackendId::new(id) };
        Arc::new(Backend {
            key: (self.stable.len() + self.canary.len()) as u64 + 1,
            id: target.backend.clone(),
            track,
            address: Endpoint { host: address.ip().to_string().into(), port: address.port() }.into(),
            addresses: Arc::new([address]),
            authority: HeaderValue::try_from(address.to_string()).unwrap(),
            upstream: Upstream::default(),
            secure: None,
            served_by: None,
            weight: 1,
            timeout: Timeouts { connect: PATIENT, response: PATIENT, idle: PATIENT, tunnel: PATIENT },
            pool: PoolLimits { max_idle: 64, idle_timeout: PATIENT, max_age: PATIENT },
            metrics: self.metrics.data.backend(&target),
            terms: self.terms.clone(),
            outcomes: Arc::default(),
            together: None,
            circuit: self.limits.map(|limits| Arc::new(Circuit::new(limits, false))),
        })
    }

    /// What requests have shown of a backend.
    pub(crate) fn sample(&self, id: &str) -> Sample {
        let mut all = self.stable.iter().chain(&self.canary);
        Outcomes::sample(&all.find(|backend| backend.id.as_str() == id).unwrap().outcomes)
    }

    /// Sum of a metric's samples with these labels; 0 when there is none.
    pub(crate) fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        sum(&self.metrics.render(), name, labels).unwrap_or(0.0)
    }

    #[track_caller]
    pub(crate) fn get(&self, target: &str) -> Response {
        get(self.http, target)
    }

    #[track_caller]
    pub(crate) fn connect(&self) -> Connection {
        Connection::open(self.http)
    }
}

impl Drop for Plane {
    fn drop(&mut self) {
        self.stop.close();
        if let Some(front) = self.front.take() {
            front.join();
        }
    }
}

/// Longer than any test takes.
const PATIENT: Duration = Duration::from_secs(60);

fn listen() -> ListenSettings {
    ListenSettings {
        http: Vec::new(),
        https: Vec::new(),
        redirect_https: false,
        http2: true,
        workers: 1,
        trusted_proxies: Vec::new(),
        proxy_protocol: Vec::new(),
        handshake_timeout: PATIENT,
        header_timeout: PATIENT,
        idle_timeout: PATIENT,
        drain: Duration::ZERO,
        lame_duck: Duration::ZERO,
        via: false,
    }
}

/// More than any test needs.
fn front_limits() -> LimitSettings {
    LimitSettings {
        max_connections: 10_000,
        max_requests: 10_000,
        listener_connections: 0,
        client_connections: 0,
        headers: 100,
        header_bytes: 64 * 1024,
        request_line: 8 * 1024,
        body_rate: 0,
        streams: 100,
        rate: RateSpec { requests: 0, burst: 0 },
    }
}
