//! Children that do not outlive this program, and the cores everything runs on.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use rustix::thread::{CpuSet, sched_setaffinity};

/// The core of the proxy under test.
pub(crate) const PROXY_CORE: usize = 0;
/// The core of everything else: load, backends, Redis and this program.
pub(crate) const LOAD_CORE: usize = 1;

/// How long a child may take to end by itself before it is killed.
const PATIENCE: Duration = Duration::from_secs(3);

/// Pins this program, and what it starts from now on, to the load's core, and lets it have many sockets.
///
/// Has to be called before any thread is started.
pub(crate) fn settle() -> Result<()> {
    let mut cores = CpuSet::new();
    cores.set(LOAD_CORE);
    sched_setaffinity(None, &cores).context("two cores are needed: one for the proxy, one for the load")?;
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    Ok(())
}

/// A command that is pinned to a core and is told to end when the thread that starts it does.
pub(crate) fn pinned(core: usize, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM", "--", "taskset", "-c", &core.to_string()]).arg(program);
    command
}

/// A running child. Dropping it ends it: asked first, killed after a bounded wait.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Starts `command` with both output streams in `log`.
    pub(crate) fn start(mut command: Command, log: &Path) -> Result<Self> {
        let output = File::create(log).with_context(|| format!("cannot write `{}`", log.display()))?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        Ok(Self { child, log: log.to_owned() })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has written so far.
    pub(crate) fn output(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Polls `ready` every `gap` until it holds, the child ends, or `deadline` has passed.
    pub(crate) fn wait_until(
        &mut self,
        deadline: Duration,
        gap: Duration,
        mut ready: impl FnMut() -> bool,
    ) -> Result<()> {
        let end = Instant::now() + deadline;
        while !ready() {
            if let Some(status) = self.child.try_wait()? {
                bail!("ended before it was ready ({status}):\n{}", self.output());
            }
            if Instant::now() > end {
                bail!("not ready after {deadline:?}:\n{}", self.output());
            }
            thread::sleep(gap);
        }
        Ok(())
    }

    /// Asks it to end and waits at most `patience`; `None`: it did not.
    pub(crate) fn stop(&mut self, patience: Duration) -> Option<ExitStatus> {
        if let Some(status) = self.wait(Duration::ZERO) {
            return Some(status); // its number may be somebody else's by now
        }
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM); // it may just have ended
        self.wait(patience)
    }

    /// Waits at most `patience` for it to end by itself.
    pub(crate) fn wait(&mut self, patience: Duration) -> Option<ExitStatus> {
        let end = Instant::now() + patience;
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if Instant::now() < end => thread::sleep(Duration::from_millis(5)),
                _ => return None,
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.stop(PATIENCE).is_none() {
            let _ = self.child.kill(); // fails only when it has ended
            let _ = self.child.wait();
        }
    }
}
