//! Numbers that take their time: an operator's programs and URLs, and file systems.
//!
//! Each has a task of its own, which runs it again and again and shows the last value: [`Gauge`].

mod exec;
mod http;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use super::sample::{Missing, disk_used};
use crate::model::{CheckKind, CheckSpec, HostMetric};

/// How often the space of a file system is looked at.
const DISK_INTERVAL: Duration = Duration::from_secs(5);
/// A look at a file system that takes longer has no value.
const DISK_TIMEOUT: Duration = Duration::from_secs(10);

/// What gives a number, and how often.
#[derive(Clone, Debug)]
pub(super) enum Source {
    Check(Arc<CheckSpec>),
    Disk { path: Arc<str>, interval: Duration },
}

/// The last value of a source.
#[derive(Clone, Debug)]
pub(super) struct Gauge {
    last: watch::Receiver<Option<(Result<f64, Missing>, Instant)>>,
    /// A value that is older says nothing.
    fresh: Duration,
}

impl Source {
    /// A file system, looked at at least each `interval`.
    pub(super) fn disk(path: Arc<str>, interval: Duration) -> Self {
        Self::Disk { path, interval: interval.min(DISK_INTERVAL) }
    }

    pub(super) fn metric(&self) -> HostMetric {
        match self {
            Self::Check(spec) => HostMetric::Check(spec.name.clone()),
            Self::Disk { path, .. } => HostMetric::Disk(path.clone()),
        }
    }

    /// The gauge, and the work that moves it for ever.
    pub(super) fn start(self) -> (Gauge, impl Future<Output = ()> + Send + 'static) {
        let (show, last) = watch::channel(None);
        let (interval, timeout) = match &self {
            Self::Check(spec) => (spec.interval, spec.timeout),
            Self::Disk { interval, .. } => (*interval, DISK_TIMEOUT),
        };
        let work = async move {
            let mut turns = tokio::time::interval(interval);
            turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                turns.tick().await;
                let value = self.once().await;
                show.send_replace(Some((value, Instant::now())));
            }
        };
        (Gauge { last, fresh: interval * 3 + timeout }, work)
    }

    /// One value. Cancel safe: a program that runs is killed.
    pub(super) async fn once(&self) -> Result<f64, Missing> {
        match self {
            Self::Check(spec) => match &spec.kind {
                CheckKind::Exec(words) => exec::run(words, spec.timeout).await,
                CheckKind::Http { endpoint, path, expect_status } => {
                    Ok(http::ask(endpoint, path, expect_status, spec.timeout).await)
                }
            },
            Self::Disk { path, .. } => {
                let its = path.clone();
                match tokio::task::spawn_blocking(move || disk_used(&its)).await {
                    Ok(used) => used,
                    Err(error) => Err(Missing::Unreadable(format!("{path}: {error}"))),
                }
            }
        }
    }
}

impl Gauge {
    pub(super) fn read(&self, now: Instant) -> Result<f64, Missing> {
        match &*self.last.borrow() {
            None => Err(Missing::NotYet),
            Some((_, at)) if now.saturating_duration_since(*at) > self.fresh => {
                Err(Missing::Unreadable("it has not come back for a long time".to_owned()))
            }
            Some((value, _)) => value.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_is_old_says_nothing() {
        let at = Instant::now();
        let (show, last) = watch::channel(None);
        let gauge = Gauge { last, fresh: Duration::from_secs(5) };
        assert_eq!(gauge.read(at), Err(Missing::NotYet));
        show.send_replace(Some((Ok(7.0), at)));
        assert_eq!(gauge.read(at + Duration::from_secs(5)), Ok(7.0));
        assert!(matches!(gauge.read(at + Duration::from_secs(6)), Err(Missing::Unreadable(_))));
    }

    #[tokio::test]
    async fn a_file_system_is_looked_at_by_itself() {
        let (gauge, work) = Source::disk("/".into(), Duration::from_millis(50)).start();
        let read = async {
            let mut last = gauge.last.clone();
            last.wait_for(Option::is_some).await.unwrap();
        };
        tokio::select! {
            () = work => unreachable!("it never ends"),
            () = read => {}
        }
        assert!((0.0..=100.0).contains(&gauge.read(Instant::now()).unwrap()));
    }
}
