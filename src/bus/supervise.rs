//! Keeps a task running that must not end: one that panics begins anew.

use std::future::Future;

use tokio_util::task::AbortOnDropHandle;

use super::backoff::Backoff;

/// Runs what `make` makes until one ends by itself. After a panic the next one is made, with a pause that grows. Dropping
/// the future ends the task.
pub(super) async fn supervise<F>(task: &'static str, mut make: impl FnMut() -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut backoff = Backoff::new();
    loop {
        match AbortOnDropHandle::new(tokio::spawn(make())).await {
            Ok(()) => return,
            Err(error) => tracing::error!(task, %error, "a task of the alert bus failed; it begins anew"),
        }
        tokio::time::sleep(backoff.next(fastrand::f64())).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_task_that_panics_begins_anew_until_it_ends_by_itself() {
        let begun = Arc::new(AtomicU32::new(0));
        let its = begun.clone();
        supervise("test", move || {
            let begun = its.clone();
            async move { assert!(begun.fetch_add(1, Ordering::Relaxed) == 2, "not yet") }
        })
        .await;
        assert_eq!(begun.load(Ordering::Relaxed), 3);
    }
}
