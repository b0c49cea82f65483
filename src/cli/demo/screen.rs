//! What the demo prints.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::SERVICE;
use super::traffic::Counts;
use crate::control::{FleetStatus, GateStatus, State};

/// Lines for what happens, and one live line for the split.
pub(super) struct Screen {
    started: Instant,
    status: watch::Receiver<Arc<FleetStatus>>,
    counts: Arc<Counts>,
    /// Where the counts stood when the current act began.
    began: Seen,
    live: bool,
}

#[derive(Clone, Copy, Default)]
struct Seen {
    stable: u64,
    canary: u64,
    failed: u64,
}

impl Screen {
    pub(super) fn new(status: watch::Receiver<Arc<FleetStatus>>, counts: Arc<Counts>) -> Self {
        let live = std::io::stdout().is_terminal();
        Self { started: Instant::now(), status, counts, began: Seen::default(), live }
    }

    /// A line of its own, with the time since the start.
    pub(super) fn say(&self, text: &str) {
        let clear = if self.live { "\r\x1b[K" } else { "" };
        print(&format!("{clear}{:6.2} s  {text}\n", self.started.elapsed().as_secs_f64()));
    }

    /// Says what begins, and counts from here.
    pub(super) fn begin(&mut self, text: &str) {
        self.say(text);
        self.began = self.seen();
    }

    /// Shows the split of the current act, anew each quarter of a second on a terminal, once a second elsewhere.
    pub(super) async fn watch(&self, time: Duration) {
        let step = Duration::from_millis(if self.live { 250 } else { 1000 });
        let began = Instant::now();
        while began.elapsed() < time {
            tokio::time::sleep(step.min(time.saturating_sub(began.elapsed()))).await;
            let line = self.line();
            if self.live {
                print(&format!("\r\x1b[K          {line}"));
            } else {
                print(&format!("          {line}\n"));
            }
        }
    }

    pub(super) fn summary(&self) {
        let Seen { stable, canary, failed } = self.seen();
        self.say(&format!("in all: {} requests, {stable} stable, {canary} canary, {failed} failed", stable + canary));
    }

    fn line(&self) -> String {
        let now = self.seen();
        let (stable, canary) = (now.stable - self.began.stable, now.canary - self.began.canary);
        let failed = now.failed - self.began.failed;
        let split =
            if canary == 0 { "stable only".to_owned() } else { format!("{:.2}:1", stable as f64 / canary as f64) };
        let status = self.status.borrow().clone();
        let gate = gate(&status).map_or_else(String::new, |gate| match gate.state {
            State::Admitted => "admitted".to_owned(),
            State::Ejected => {
                let reasons: Vec<_> = gate.reasons.iter().map(|reason| reason.as_str()).collect();
                format!("ejected ({})", reasons.join(", "))
            }
        });
        format!("stable {stable:5}  canary {canary:5}  split {split:11}  failed {failed:3}  gate {gate}")
    }

    fn seen(&self) -> Seen {
        let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Relaxed);
        let Counts { stable, canary, failed } = &*self.counts;
        Seen { stable: count(stable), canary: count(canary), failed: count(failed) }
    }
}

/// The gate of the demo's service.
pub(super) fn gate(status: &FleetStatus) -> Option<&GateStatus> {
    status.service(SERVICE).and_then(|service| service.gate.as_ref())
}

/// A closed standard output ends no demo.
fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
