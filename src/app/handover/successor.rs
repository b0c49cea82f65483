//! The old process's side: it starts its successor, gives it what it has, and waits for its word.

use std::process::{Child, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::link::Link;
use super::{MARK, Program};
use crate::app::Keepsake;
use crate::app::door::Door;

/// How long a successor may take until it serves.
const PATIENCE: Duration = Duration::from_secs(10);

/// A process that takes over. Killed when dropped, unless it was [let go](Successor::release).
pub(in crate::app) struct Successor {
    child: Option<Child>,
    pub(in crate::app) pid: u32,
}

impl Successor {
    /// Starts `program` and returns when it serves on `doors`, with what `keepsake` gives while it starts. Dropping the
    /// future kills it.
    ///
    /// # Errors
    /// Why it does not serve. It has ended then.
    pub(in crate::app) async fn start(
        program: Program,
        doors: Arc<[Door]>,
        keepsake: impl Future<Output = Keepsake>,
    ) -> Result<Self, String> {
        let (link, theirs) = Link::pair().map_err(|error| error.to_string())?;
        let mut command = program.command();
        // The variables of systemd that name this process by its id do not hold for the next one.
        command.env(MARK, "1").env_remove("WATCHDOG_PID").env_remove("LISTEN_FDS").env_remove("LISTEN_PID");
        let child = command.stdin(Stdio::from(theirs)).spawn();
        let path = program.path().display();
        let child = child.map_err(|error| format!("{path} can't be started: {error}"))?;
        // The command holds the other end, whose close must be heard.
        drop(command);
        let pid = child.id();
        tracing::info!(pid, program = %path, "handing over: the successor is started");
        let mut successor = Self { child: Some(child), pid };

        let keepsake = keepsake.await.to_bytes();
        let handing = tokio::task::spawn_blocking(move || {
            link.give(&doors, &keepsake)?;
            link.await_ready()
        });
        match tokio::time::timeout(PATIENCE, handing).await {
            Ok(Ok(Ok(()))) => Ok(successor),
            Ok(Ok(Err(error))) => Err(match successor.end() {
                Some(status) => format!("it ended: {status}"),
                None => error.to_string(),
            }),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("it does not serve after {PATIENCE:?}")),
        }
    }

    /// Has it read the configuration once more.
    pub(in crate::app) fn reload(&self) {
        // The id is nobody else's: this process, its parent, never asks how it ended.
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        if let Some(Err(error)) = pid.map(|pid| kill_process(pid, Signal::HUP)) {
            tracing::warn!(%error, "the successor can't be told that the configuration has changed");
        }
    }

    /// It goes on when this process ends.
    pub(in crate::app) fn release(&mut self) {
        self.child = None;
    }

    /// How it has ended by itself, or `None` when it had to be killed.
    fn end(&mut self) -> Option<ExitStatus> {
        let status = self.child.take().and_then(|mut child| kill(&mut child))?;
        status.code().is_some().then_some(status)
    }
}

impl Drop for Successor {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            kill(&mut child);
        }
    }
}

/// Gives how it ended: one that was about to end by itself is not changed by the signal.
fn kill(child: &mut Child) -> Option<ExitStatus> {
    child.kill().and_then(|()| child.wait()).ok()
}
