//! Answers commands and gives out readings while something slower is awaited.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::time::Instant;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::alerts::Alerts;
use super::command::{Command, Commands};
use crate::model::{Alert, AlertReading, CompatKey};

/// The one owner of the [`Alerts`]. Everything that may take time runs inside [`Desk::during`], so that a command is
/// answered at once even when the store does not.
pub(super) struct Desk {
    pub(super) alerts: Alerts,
    commands: mpsc::Receiver<Command>,
    readings: mpsc::Sender<AlertReading>,
    compat: mpsc::Receiver<CompatReading>,
    shutdown: CancellationToken,
}

/// What stands in all old keys.
pub(super) struct CompatReading {
    pub(super) standing: BTreeMap<CompatKey, Alert>,
    pub(super) seen: Instant,
}

/// The process stops, or nobody takes readings any more.
#[derive(Debug)]
pub(super) struct Stopped;

impl Desk {
    pub(super) fn new(
        alerts: Alerts,
        commands: Commands,
        readings: mpsc::Sender<AlertReading>,
        compat: mpsc::Receiver<CompatReading>,
        shutdown: CancellationToken,
    ) -> Self {
        Self { alerts, commands: commands.receiver, readings, compat, shutdown }
    }

    /// Awaits `work` and keeps the desk open meanwhile.
    pub(super) async fn during<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Stopped> {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return Ok(done),
                step = self.step() => step?,
            }
        }
    }

    /// As [`Self::during`], but drops `work` and returns `None` as soon as a command waits to be written.
    pub(super) async fn until_unsent<T>(&mut self, work: impl Future<Output = T>) -> Result<Option<T>, Stopped> {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return Ok(Some(done)),
                step = self.step() => step?,
            }
            if self.alerts.has_unsent() {
                return Ok(None);
            }
        }
    }

    /// Waits for one thing and deals with it. Cancel safe: nothing is taken from a channel without being dealt with.
    async fn step(&mut self) -> Result<(), Stopped> {
        tokio::select! {
            biased;
            () = self.shutdown.cancelled() => Err(Stopped),
            permit = self.readings.reserve(), if self.alerts.has_news() => {
                let permit = permit.map_err(|_| Stopped)?;
                if let Some(reading) = self.alerts.take_reading() {
                    permit.send(reading);
                }
                Ok(())
            }
            Some(Command { service, action, seen, reply }) = self.commands.recv() => {
                let answer = self.alerts.command(&service, action, seen);
                // Who asked may have gone; the command holds all the same.
                let _ = reply.send(answer);
                Ok(())
            }
            Some(CompatReading { standing, seen }) = self.compat.recv() => {
                self.alerts.apply_compat(standing, seen);
                Ok(())
            }
        }
    }
}
