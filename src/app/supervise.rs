//! Background tasks that are started again when they panic. Traffic goes on by the last table meanwhile.

use std::time::Duration;

use tokio_util::task::AbortOnDropHandle;

use crate::metrics::LifeMetrics;

const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Runs what `make` gives to its end. When it panics, that is logged and counted, and after a pause, which doubles from
/// 10 ms to 1 s, it is made anew. Dropped, it ends the task as well.
pub(super) async fn supervise<F>(task: &'static str, metrics: LifeMetrics, mut make: impl FnMut() -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut pause = FIRST_PAUSE;
    loop {
        let ended = AbortOnDropHandle::new(tokio::spawn(make())).await;
        let Err(error) = ended else { return };
        if !error.is_panic() {
            return;
        }
        metrics.restarts(task).inc();
        tracing::error!(task, reason = reason(error), ?pause, "a task panicked: starting it again");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// What a panic said.
fn reason(error: tokio::task::JoinError) -> String {
    let Ok(panic) = error.try_into_panic() else { return String::new() };
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
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
}
