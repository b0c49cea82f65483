//! The task that probes one backend for as long as the process lives.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::probe::{Place, probe};
use super::threshold::Threshold;
use crate::metrics::ProbeMetrics;
use crate::model::{ProbeReport, ProbeSpec, ProbeTarget};

/// Longest time between two probes of a backend in doubt.
const DOUBT_INTERVAL: Duration = Duration::from_millis(200);

/// What there is to know about one backend in order to probe it.
pub struct ProbeJob {
    pub target: ProbeTarget,
    pub place: Place,
    /// What the address resolves to at the moment; empty while it does not, and for a path.
    pub addresses: watch::Receiver<Arc<[SocketAddr]>>,
    pub spec: ProbeSpec,
    pub metrics: ProbeMetrics,
}

/// Probes at once and then on and on, and sends a report after every probe.
///
/// Ends when `shutdown` is cancelled, in the middle of a probe too, or when nobody receives reports any more.
pub async fn run(job: ProbeJob, reports: mpsc::Sender<ProbeReport>, shutdown: CancellationToken) {
    shutdown.run_until_cancelled(keep_probing(job, reports)).await;
}

async fn keep_probing(job: ProbeJob, reports: mpsc::Sender<ProbeReport>) {
    let mut threshold = Threshold::new(job.spec.fall, job.spec.rise);
    loop {
        let started = Instant::now();
        let addresses = Arc::clone(&job.addresses.borrow());
        let failure = probe(&job.spec, &job.place, &addresses).await.err();
        let seen = std::time::Instant::now();
        if failure.is_none() { &job.metrics.passed } else { &job.metrics.failed }.inc();
        let health = threshold.observe(failure.is_none());
        let failure = failure.map(|failure| Arc::from(failure.to_string()));
        tracing::debug!(target = ?job.target, ?failure, ?health, "probe ended");
        let (target, address) = (job.target.clone(), job.place.address.clone());
        if reports.send(ProbeReport { target, address, failure, health, seen }).await.is_err() {
            return;
        }
        let delay = next_delay(&job.spec, threshold.in_doubt(), fastrand::f64());
        sleep(delay.saturating_sub(started.elapsed())).await;
    }
}

/// Time from the start of a probe to the start of the next one; `random` is 0 to 1 and moves it by 10 % to either side.
fn next_delay(spec: &ProbeSpec, in_doubt: bool, random: f64) -> Duration {
    let interval = if in_doubt { spec.interval.min(DOUBT_INTERVAL) } else { spec.interval };
    (interval - interval / 10).saturating_add((interval / 5).mul_f64(random))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use proptest::prelude::*;
    use tokio::net::TcpListener;

    use super::*;
    use crate::metrics::Metrics;
    use crate::model::{BackendId, Endpoint, Health, ProbeQuestion, ServiceName, StatusRanges, Track};

    fn spec(interval: Duration) -> ProbeSpec {
        ProbeSpec {
            question: ProbeQuestion::Http {
                path: "/".into(),
                expect_status: StatusRanges::new(vec![200..=399]).unwrap(),
                expect_body: String::new(),
            },
            host: String::new(),
            interval,
            timeout: Duration::from_secs(1),
            fall: NonZeroU32::new(2).unwrap(),
            rise: NonZeroU32::MIN,
        }
    }

    fn job(addresses: &[SocketAddr]) -> ProbeJob {
        let target = ProbeTarget {
            service: ServiceName::new("checkbox").unwrap(),
            track: Track::Canary,
            backend: BackendId::new("web1"),
        };
        let metrics = Metrics::new().control.probe(&target);
        let place = Place::plain(Endpoint { host: "web1".into(), port: 3002 });
        let addresses = watch::Sender::new(addresses.into()).subscribe();
        ProbeJob { target, place, addresses, spec: spec(Duration::from_secs(2)), metrics }
    }

    #[tokio::test(start_paused = true)]
    async fn every_probe_is_reported_and_doubt_shortens_the_wait() {
        let (reports, mut inbox) = mpsc::channel(1);
        let shutdown = CancellationToken::new();
        let job = job(&[]);
        let metrics = job.metrics.clone();
        let started = Instant::now();
        let task = tokio::spawn(run(job, reports, shutdown.clone()));

        let first = inbox.recv().await.unwrap();
        assert_eq!(first.failure.as_deref(), Some("name does not resolve"));
        assert_eq!(first.health, Health::Unknown);
        assert!(started.elapsed() < Duration::from_millis(5), "the first probe comes at once");
        assert_eq!(inbox.recv().await.unwrap().health, Health::Down);
        assert!(started.elapsed() < Duration::from_millis(225), "the second one comes soon");
        assert_eq!(inbox.recv().await.unwrap().health, Health::Down);
        assert!(started.elapsed() > Duration::from_millis(1980), "without doubt the interval counts");
        assert_eq!((metrics.passed.get(), metrics.failed.get()), (0, 3));

        shutdown.cancel();
        task.await.unwrap();
    }

    #[tokio::test]
    async fn shutdown_ends_a_probe_that_hangs() {
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (reports, mut inbox) = mpsc::channel(1);
        let shutdown = CancellationToken::new();
        let mut job = job(&[silent.local_addr().unwrap()]);
        job.spec.timeout = Duration::from_secs(3600);
        let task = tokio::spawn(run(job, reports, shutdown.clone()));
        let _held = silent.accept().await.unwrap();
        shutdown.cancel();
        task.await.unwrap();
        assert!(inbox.recv().await.is_none(), "a probe that did not end is not reported");
    }

    #[tokio::test]
    async fn a_prober_without_a_reader_ends() {
        let (reports, inbox) = mpsc::channel(1);
        drop(inbox);
        run(job(&[]), reports, CancellationToken::new()).await;
    }

    proptest! {
        #[test]
        fn the_wait_stays_within_a_tenth_of_the_interval(millis in 1..100_000_u64, doubt: bool, random in 0.0..1.0_f64) {
            let interval = Duration::from_millis(millis);
            let asked = if doubt { interval.min(DOUBT_INTERVAL) } else { interval };
            let delay = next_delay(&spec(interval), doubt, random);
            let rounding = Duration::from_nanos(20);
            prop_assert!(delay + rounding >= asked.mul_f64(0.9) && delay <= asked.mul_f64(1.1) + rounding);
        }
    }

    #[test]
    fn the_longest_interval_does_not_overflow() {
        assert_eq!(next_delay(&spec(Duration::MAX), false, 1.0), Duration::MAX);
        assert!(next_delay(&spec(Duration::MAX), true, 1.0) <= Duration::from_millis(220));
    }
}
