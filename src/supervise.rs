//! Work that goes on after a panic. Traffic goes on by the last table meanwhile.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use crate::metrics::LifeMetrics;

const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// After so long without a panic the pauses are short again.
const CALM: Duration = Duration::from_secs(10);

/// The panics of one task: logs and counts them, and says how long to wait after each, from 10 ms doubling to 1 s.
pub struct Restarts {
    task: &'static str,
    metrics: LifeMetrics,
    pause: Duration,
    last: Option<Instant>,
}

/// The work panicked; it should not go on before this time has passed.
#[derive(Debug, PartialEq, Eq)]
pub struct Panicked(pub Duration);

impl Restarts {
    pub fn new(task: &'static str, metrics: LifeMetrics) -> Self {
        Self { task, metrics, pause: FIRST_PAUSE, last: None }
    }

    /// Does one piece of work. The caller sees to it that what it leaves half done does no harm.
    ///
    /// # Errors
    /// It panicked.
    pub fn guard<T>(&mut self, work: impl FnOnce() -> T) -> Result<T, Panicked> {
        catch_unwind(AssertUnwindSafe(work)).map_err(|panic| self.panicked(&*panic))
    }

    /// The same for work that waits. As cancel safe as the work.
    ///
    /// # Errors
    /// It panicked.
    pub async fn watch<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Panicked> {
        AssertUnwindSafe(work).catch_unwind().await.map_err(|panic| self.panicked(&*panic))
    }

    fn panicked(&mut self, panic: &(dyn Any + Send)) -> Panicked {
        let now = Instant::now();
        if self.last.replace(now).is_some_and(|last| now.saturating_duration_since(last) >= CALM) {
            self.pause = FIRST_PAUSE;
        }
        let pause = self.pause;
        self.pause = (pause * 2).min(LONGEST_PAUSE);
        self.metrics.restarts(self.task).inc();
        tracing::error!(task = self.task, reason = reason(panic), ?pause, "a task panicked: starting it again");
        Panicked(pause)
    }
}

/// Runs what `make` gives to its end, as a task of its own. When it panics, it is made anew after a pause. Dropped, it
/// ends the task as well.
pub async fn supervise<F>(task: &'static str, metrics: LifeMetrics, mut make: impl FnMut() -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut restarts = Restarts::new(task, metrics);
    loop {
        let ended = AbortOnDropHandle::new(tokio::spawn(make())).await;
        let Some(panic) = ended.err().and_then(|error| error.try_into_panic().ok()) else { return };
        let Panicked(pause) = restarts.panicked(&*panic);
        tokio::time::sleep(pause).await;
    }
}

/// What a panic said.
fn reason(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::metrics::Metrics;

    #[tokio::test(start_paused = true)]
    async fn a_task_that_panics_runs_again_until_it_ends() {
        let metrics = Metrics::new().life;
        let runs = Arc::new(AtomicU32::new(0));
        let make = || {
            let runs = runs.clone();
            async move { assert!(runs.fetch_add(1, Ordering::SeqCst) == 3, "not yet") }
        };
        supervise("probe", metrics.clone(), make).await;
        assert_eq!(runs.load(Ordering::SeqCst), 4);
        assert_eq!(metrics.restarts("probe").get(), 3);
    }

    #[tokio::test]
    async fn a_supervisor_that_is_dropped_takes_its_task_along() {
        let (alive, inside) = (CancellationToken::new(), CancellationToken::new());
        let make = || {
            let (end, inside) = (alive.clone().drop_guard(), inside.clone());
            async move {
                inside.cancel();
                std::future::pending::<()>().await;
                drop(end);
            }
        };
        tokio::select! {
            () = supervise("probe", Metrics::new().life, make) => panic!("it ended"),
            () = inside.cancelled() => {}
        }
        alive.cancelled().await;
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_with_each_panic_and_are_short_again_after_a_calm() {
        let metrics = Metrics::new().life;
        let mut restarts = Restarts::new("bus", metrics.clone());
        let pauses: Vec<_> = (0..9).map(|_| restarts.guard(|| panic!("no")).unwrap_err().0.as_millis()).collect();
        assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
        assert_eq!(restarts.guard(|| 7), Ok(7));
        tokio::time::advance(CALM).await;
        assert_eq!(restarts.watch(async { panic!("no") }).await, Err::<(), _>(Panicked(FIRST_PAUSE)));
        assert_eq!(metrics.restarts("bus").get(), 10);
    }
}
