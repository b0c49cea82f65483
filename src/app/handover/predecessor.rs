//! The successor's side: what it gets from the process before it.

use std::os::fd::AsFd;
use std::time::Duration;

use anyhow::Context;

use super::MARK;
use super::link::{Estate, Link};
use crate::app::door::Inherited;

/// How long the predecessor may take to hand everything over.
const PATIENCE: Duration = Duration::from_secs(5);

/// The process before this one, which serves until it is told that this one does.
#[derive(Debug)]
pub(in crate::app) struct Predecessor(Link);

impl Predecessor {
    /// What this process was given to start with: the sockets and the keepsake. `None`: nobody started it to take over.
    ///
    /// # Errors
    /// It was started to take over, and does not get what it needs.
    pub(in crate::app) fn of_this_process() -> anyhow::Result<Option<(Self, Inherited, Vec<u8>)>> {
        if std::env::var_os(MARK).is_none() {
            return Ok(None);
        }
        let taken = || -> std::io::Result<_> {
            let end = std::io::stdin().as_fd().try_clone_to_owned()?;
            // One end only, so that its close is heard; and no successor of this process finds it.
            rustix::stdio::dup2_stdin(std::fs::File::open("/dev/null")?)?;
            let link = Link::of(end, PATIENCE)?;
            let Estate { doors, keepsake } = link.receive()?;
            Ok((Self(link), Inherited::new(doors), keepsake))
        };
        let taken = taken().with_context(|| format!("nothing is handed over on standard input, but {MARK} is set"))?;
        Ok(Some(taken))
    }

    /// This process serves: the predecessor may go.
    pub(in crate::app) fn relieve(self) {
        if let Err(error) = self.0.say_ready() {
            tracing::warn!(%error, "the predecessor has gone");
        }
    }
}
