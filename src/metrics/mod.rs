//! What Prometheus scrapes: one struct for each plane, one registry, passed in.
//!
//! Handles are resolved when a table, a probe or the bus is built, so that the request path only adds to atomics.
//! Labels come from the configuration, never from a request. Names live in [`names`] alone.

mod acme;
mod bus;
mod control;
mod data;
mod life;
mod names;
mod notify;
mod open;
mod refused;
mod tls;

use prometheus::core::Collector;
use prometheus::{Encoder, HistogramOpts, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder};

pub use acme::AcmeMetrics;
pub use bus::BusMetrics;
pub use control::{ControlMetrics, GateMetrics, ProbeMetrics};
pub use data::{BackendMetrics, Class, DataMetrics, Failure, RetryCause, RetryRefused};
pub use life::LifeMetrics;
pub use notify::NotifyMetrics;
pub use open::Open;
pub use prometheus::IntGauge;
pub use refused::{Refused, RefusedMetrics};
pub use tls::{CertificateMetrics, Handshake, HandshakeMetrics};

/// All metrics of one process.
#[derive(Clone)]
pub struct Metrics {
    registry: Registry,
    pub data: DataMetrics,
    pub control: ControlMetrics,
    pub bus: BusMetrics,
    pub life: LifeMetrics,
    pub notify: NotifyMetrics,
    pub acme: AcmeMetrics,
    pub certificates: CertificateMetrics,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    pub fn new() -> Self {
        let registry = Registry::new();
        let build = gauge_vec(&registry, names::BUILD_INFO, "The running version, always 1.", &["version"]);
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        register(&registry, prometheus::process_collector::ProcessCollector::for_self());
        Self {
            data: DataMetrics::new(&registry),
            control: ControlMetrics::new(&registry),
            bus: BusMetrics::new(&registry),
            life: LifeMetrics::new(&registry),
            notify: NotifyMetrics::new(&registry),
            acme: AcmeMetrics::new(&registry),
            certificates: CertificateMetrics::new(&registry),
            registry,
        }
    }

    /// The text exposition format, version 0.0.4.
    pub fn render(&self) -> String {
        self.bus.refresh_age();
        let mut text = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            tracing::error!(%error, "metrics could not be rendered");
        }
        String::from_utf8_lossy(&text).into_owned()
    }
}

/// Registers a family. Names are fixed at compile time, so that a second registration is a bug of ours.
fn register(registry: &Registry, collector: impl Collector + 'static) {
    registry.register(Box::new(collector)).expect("every metric is registered once");
}

fn counter_vec(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    let family = IntCounterVec::new(Opts::new(name, help), labels).expect("metric names are valid");
    register(registry, family.clone());
    family
}

fn gauge_vec(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
    let family = IntGaugeVec::new(Opts::new(name, help), labels).expect("metric names are valid");
    register(registry, family.clone());
    family
}

fn counter(registry: &Registry, name: &str, help: &str) -> prometheus::IntCounter {
    let counter = prometheus::IntCounter::new(name, help).expect("metric names are valid");
    register(registry, counter.clone());
    counter
}

fn gauge(registry: &Registry, name: &str, help: &str) -> IntGauge {
    let gauge = IntGauge::new(name, help).expect("metric names are valid");
    register(registry, gauge.clone());
    gauge
}

fn histogram_opts(name: &str, help: &str, buckets: Vec<f64>) -> HistogramOpts {
    HistogramOpts::new(name, help).buckets(buckets)
}
