//! Handshakes a few at a time, so that whoever is in already never waits for a crowd of them.
//!
//! A step of a handshake may sign something, which takes longer than all else that a worker does in one go. When many
//! clients come at once, their steps stand in line here, and after some the worker looks at its sockets and runs what is
//! ready. Not after each: to look, and to write to one client at a time, costs half as much as a handshake.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::task::ready;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::yield_now;
use tokio_util::sync::PollSemaphore;

/// Where the dear work of one worker passes. Needs [`Self::run`].
#[derive(Debug)]
pub(super) struct Turnstile {
    /// Has one permit, or none until the worker has looked at its sockets.
    free: Arc<Semaphore>,
    /// How long steps may take together before it does.
    batch: Duration,
    /// How long they have taken, in nanoseconds.
    spent: AtomicU64,
    full: Notify,
}

impl Turnstile {
    /// `batch`: how long steps may take together, the last of them not counted.
    pub(super) fn new(batch: Duration) -> Self {
        Self { free: Arc::new(Semaphore::new(1)), batch, spent: AtomicU64::new(0), full: Notify::new() }
    }

    /// Lets the next through once the runtime has looked at its sockets. Runs until it is dropped, on the runtime whose
    /// work passes here.
    pub(super) async fn run(&self) {
        loop {
            self.full.notified().await;
            // Goes on behind the tasks whose sockets have become ready.
            yield_now().await;
            self.spent.store(0, Relaxed);
            self.free.add_permits(1);
        }
    }

    /// Does `work`, each step of it when its turn has come, in the order in which they became ready.
    ///
    /// Cancel safe if `work` is; who leaves the line holds up nobody.
    pub(super) async fn pass<F: Future>(&self, work: F) -> F::Output {
        let mut work = pin!(work);
        let mut turn = PollSemaphore::new(self.free.clone());
        poll_fn(|cx| {
            let turn = ready!(turn.poll_acquire(cx));
            let begin = Instant::now();
            let polled = work.as_mut().poll(cx);
            self.passed(turn, begin.elapsed());
            polled
        })
        .await
    }

    /// Who had `turn` has used `time`.
    fn passed(&self, turn: Option<OwnedSemaphorePermit>, time: Duration) {
        let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let spent = self.spent.load(Relaxed).saturating_add(time);
        self.spent.store(spent, Relaxed);
        if Duration::from_nanos(spent) >= self.batch
            && let Some(turn) = turn
        {
            turn.forget();
            self.full.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures_util::future::join_all;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::UnixStream;
    use tokio::time::timeout;

    use super::*;

    /// Of which each step is a batch.
    fn turnstile() -> Arc<Turnstile> {
        turnstile_for(Duration::ZERO)
    }

    fn turnstile_for(batch: Duration) -> Arc<Turnstile> {
        let turnstile = Arc::new(Turnstile::new(batch));
        let running = turnstile.clone();
        tokio::spawn(async move { running.run().await });
        turnstile
    }

    async fn soon<F: Future>(what: F) -> F::Output {
        timeout(Duration::from_secs(10), what).await.expect("it ends in time")
    }

    #[tokio::test]
    async fn sockets_are_looked_at_between_two_steps() {
        let turnstile = turnstile();
        let (mut here, mut there) = UnixStream::pair().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let seen = log.clone();
        // Waits for its socket before the others are ready.
        let reader = tokio::spawn(async move {
            there.read_u8().await.unwrap();
            seen.lock().unwrap().push("socket");
        });
        yield_now().await;
        let steps = (0..3).map(|_| {
            let (turnstile, log) = (turnstile.clone(), log.clone());
            tokio::spawn(async move { turnstile.pass(async { log.lock().unwrap().push("step") }).await })
        });
        let steps: Vec<_> = steps.collect();
        here.write_u8(1).await.unwrap();
        soon(join_all(steps)).await;
        soon(reader).await.unwrap();
        assert_eq!(*log.lock().unwrap(), ["step", "socket", "step", "step"]);
    }

    #[tokio::test]
    async fn small_steps_make_a_batch() {
        // Of which an hour is left.
        let turnstile = turnstile_for(Duration::from_secs(3600));
        let passed = join_all((0..100).map(|_| turnstile.pass(async {})));
        assert!(futures_util::poll!(Box::pin(passed)).is_ready());
    }

    #[tokio::test]
    async fn every_step_of_a_work_has_its_turn() {
        let turnstile = turnstile();
        let log = Mutex::new(Vec::new());
        let work = |name| {
            let (turnstile, log) = (turnstile.clone(), &log);
            async move {
                let steps = async {
                    for _ in 0..3 {
                        log.lock().unwrap().push(name);
                        yield_now().await;
                    }
                };
                turnstile.pass(steps).await;
            }
        };
        soon(join_all([work("a"), work("b")])).await;
        assert_eq!(*log.lock().unwrap(), ["a", "b", "a", "b", "a", "b"]);
    }

    #[tokio::test]
    async fn who_leaves_the_line_holds_up_nobody() {
        let turnstile = turnstile();
        turnstile.pass(async {}).await;
        // In line, granted the turn perhaps, and gone.
        for _ in 0..10 {
            let mut gone = Box::pin(turnstile.pass(async {}));
            let _ = futures_util::poll!(gone.as_mut());
            drop(gone);
        }
        soon(turnstile.pass(async {})).await;
    }
}
