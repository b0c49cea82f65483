//! Background tasks of one kind, of which some go and others come when the configuration changes.

use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::metrics::LifeMetrics;
use crate::supervise::supervise;

/// A supervised task for each of its jobs. Dropped, it ends them all.
pub(super) struct Crew<J> {
    task: &'static str,
    metrics: LifeMetrics,
    tasks: TaskTracker,
    members: Vec<(J, DropGuard)>,
}

impl<J: Clone + PartialEq + Send + 'static> Crew<J> {
    /// `task` names the kind in the log and the metrics; `tasks` is waited for at the end of the process.
    pub(super) fn new(task: &'static str, metrics: LifeMetrics, tasks: TaskTracker) -> Self {
        Self { task, metrics, tasks, members: Vec::new() }
    }

    /// Has `jobs` done and nothing else: a job that is being done goes on undisturbed, the others are ended or begun by
    /// `work`. Must be called inside a tokio runtime.
    pub(super) fn set<F>(&mut self, jobs: Vec<J>, work: impl Fn(J) -> F + Clone + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.members.retain(|(job, _)| jobs.contains(job));
        for job in jobs {
            if self.members.iter().any(|(known, _)| *known == job) {
                continue;
            }
            let end = CancellationToken::new();
            self.members.push((job.clone(), end.clone().drop_guard()));
            let work = work.clone();
            let supervised = supervise(self.task, self.metrics.clone(), move || work(job.clone()));
            self.tasks.spawn(async move {
                end.run_until_cancelled(supervised).await;
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;
    use crate::metrics::Metrics;

    #[tokio::test]
    async fn what_is_wanted_still_goes_on_and_the_rest_changes() {
        let tasks = TaskTracker::new();
        let mut crew = Crew::new("probe", Metrics::new().life, tasks.clone());
        let (begun, mut begins) = mpsc::unbounded_channel();
        let work = move |job: u32| {
            let begun = begun.clone();
            async move {
                begun.send(job).unwrap();
                std::future::pending().await
            }
        };
        crew.set(vec![1, 2], work.clone());
        assert_eq!((begins.recv().await, begins.recv().await), (Some(1), Some(2)));
        crew.set(vec![2, 3], work.clone());
        assert_eq!(begins.recv().await, Some(3), "2 was not begun again");
        crew.set(Vec::new(), work);
        tasks.close();
        tasks.wait().await;
        assert!(begins.try_recv().is_err());
    }
}
