//! One look at every metric, for people.

use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};

use super::agent::sources;
use super::sample::{Missing, Sampler};
use super::wording;
use crate::model::{HostMetric, MonitorSettings};

/// Between the two looks that some metrics take.
const BETWEEN: Duration = Duration::from_millis(500);
/// A file system that does not answer in this time has no value.
const PATIENCE: Duration = Duration::from_secs(10);

/// What became of one metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub metric: HostMetric,
    /// The value in words, or why there is none.
    pub value: Result<String, String>,
}

/// Samples every common metric, every disk that a rule is about, and every check, once.
pub async fn survey(settings: &MonitorSettings) -> Vec<Finding> {
    let mut findings = common(settings).await;
    for source in sources(settings) {
        let value = source.once().await;
        findings.push(finding(source.metric(), value));
    }
    findings
}

/// The metrics that this host cannot give, with the reasons. Runs no check.
pub async fn missing(settings: &MonitorSettings) -> Vec<(HostMetric, String)> {
    let mut findings = common(settings).await;
    for source in sources(settings) {
        if matches!(source.metric(), HostMetric::Disk(_)) {
            let value = timeout(PATIENCE, source.once()).await;
            let value = value.unwrap_or_else(|_| Err(Missing::Unreadable("it does not answer".to_owned())));
            findings.push(finding(source.metric(), value));
        }
    }
    findings.into_iter().filter_map(|Finding { metric, value }| Some((metric, value.err()?))).collect()
}

async fn common(settings: &MonitorSettings) -> Vec<Finding> {
    let mut sampler = Sampler::new(&settings.cgroup);
    // The first look of two.
    let _ = sampler.sample(&HostMetric::Cpu, Instant::now());
    sleep(BETWEEN).await;
    let now = Instant::now();
    HostMetric::COMMON.into_iter().map(|metric| finding(metric.clone(), sampler.sample(&metric, now))).collect()
}

fn finding(metric: HostMetric, value: Result<f64, Missing>) -> Finding {
    let value = value.map(|value| wording::quantity(value, metric.unit())).map_err(|missing| missing.to_string());
    Finding { metric, value }
}
