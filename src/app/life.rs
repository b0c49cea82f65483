//! A process from its start to its end.

use std::future::pending;
use std::path::Path;
use std::pin::{Pin, pin};

use anyhow::Context;
use tokio::sync::{mpsc, oneshot};

use super::handover::{Predecessor, Program, Successor};
use super::{App, Keepsake, Sockets, limits, reload, systemd};
use crate::control::admin::{Reloaded, Reloads};
use crate::model::Settings;
use crate::shutdown::{Order, Orders, Signals};

/// Serves until a signal ends it, or until a successor has taken over. `path` is read again on a reload.
///
/// # Errors
/// What was missing at the start. Nothing was served then.
pub async fn live(path: &Path, settings: Settings) -> anyhow::Result<()> {
    let no_signals = "signals can't be handled";
    let mut signals = Signals::install().context(no_signals)?;
    let mut orders = Orders::install().context(no_signals)?;
    let program = Program::of_this_process().context("it can't be told which program this is")?;
    limits::raise_open_files();

    let (reload, reloads) = mpsc::channel(1);
    let mut app = begin(settings, reload).await?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "serving");
    let ready = app.ready();
    tokio::spawn(async move {
        ready.await;
        systemd::ready();
    });

    let end = Desk { path, program, orders: &mut orders, reloads }.serve(&mut app, &mut signals).await;
    let drain = app.settings().listen.drain;
    match end {
        End::Stop(signal) => {
            tracing::info!(signal, ?drain, "stopping: running requests may end");
            systemd::stopping();
            see_out(Box::pin(app.stop()), None, &mut signals, &mut orders).await;
        }
        End::HandedOver(mut successor) => {
            successor.release();
            tracing::info!(pid = successor.pid, ?drain, "handed over: running requests may end");
            systemd::main_process(successor.pid);
            see_out(Box::pin(app.leave()), Some(successor), &mut signals, &mut orders).await;
        }
    }
    Ok(())
}

/// Waits for the end, which a signal brings at once when it is the second that asks for it. A hand-over is none: the
/// first signal after it asks for what is being done. Orders are the successor's.
async fn see_out(
    ending: Pin<Box<dyn Future<Output = ()>>>,
    successor: Option<Successor>,
    signals: &mut Signals,
    orders: &mut Orders,
) {
    let mut ending = pin!(async { tokio::join!(ending, systemd::heard()) });
    let mut asked = successor.is_none();
    loop {
        tokio::select! {
            _ = &mut ending => return tracing::info!("stopped"),
            signal = signals.next() => {
                if asked {
                    return tracing::warn!(signal, "stopped at once");
                }
                asked = true;
                tracing::info!(signal, "stopping already: running requests may end");
            }
            order = orders.next() => match (order, &successor) {
                (Order::Reload, Some(successor)) => successor.reload(),
                (order, _) => tracing::warn!(?order, "stopping: not followed"),
            },
        }
    }
}

/// Takes over from a predecessor when there is one. It serves until this process is ready to.
async fn begin(settings: Settings, reload: Reloads) -> anyhow::Result<App> {
    let Some((predecessor, inherited, keepsake)) = Predecessor::of_this_process()? else {
        let sockets = Sockets::bind(&settings, systemd::sockets())?;
        let mut app = App::start(settings, sockets, Keepsake::default()).await?;
        if !app.informed().await {
            tracing::warn!("alerts and marks are not read: serving without, the canary stays out until they are");
        }
        app.open(Some(reload))?;
        return Ok(app);
    };
    let sockets = Sockets::bind(&settings, inherited)?;
    let mut app = App::start(settings, sockets, Keepsake::from_bytes(&keepsake)).await?;
    app.ready().await;
    app.open(Some(reload))?;
    predecessor.relieve();
    app.take_over();
    Ok(app)
}

/// A hand-over on its way.
type Handing = Pin<Box<dyn Future<Output = Result<Successor, String>>>>;

enum End {
    /// The name of the signal.
    Stop(&'static str),
    HandedOver(Successor),
}

/// Where orders come in.
struct Desk<'a> {
    path: &'a Path,
    program: Program,
    orders: &'a mut Orders,
    reloads: mpsc::Receiver<oneshot::Sender<Result<Reloaded, String>>>,
}

impl Desk<'_> {
    /// Follows orders until the end.
    async fn serve(mut self, app: &mut App, signals: &mut Signals) -> End {
        let mut handing: Option<Handing> = None;
        // A successor that is on its way may have read the file before it changed.
        let mut outdated = false;
        loop {
            let handed = async {
                match &mut handing {
                    Some(handing) => handing.await,
                    None => pending().await,
                }
            };
            tokio::select! {
                biased;
                signal = signals.next() => return End::Stop(signal),
                handed = handed => match handed {
                    Ok(successor) => {
                        if outdated {
                            successor.reload();
                        }
                        return End::HandedOver(successor);
                    }
                    Err(reason) => {
                        tracing::error!(reason, "the successor does not serve: serving on as before");
                        app.refused("upgrade_refused", "an upgrade failed: the old process serves on", &reason);
                        handing = None;
                    }
                },
                Some(reply) = self.reloads.recv() => {
                    outdated |= handing.is_some();
                    // Who asked may have gone; the file is in force all the same.
                    let _ = reply.send(reload::reload(app, self.path).await);
                }
                order = self.orders.next() => match order {
                    Order::Reload => {
                        outdated |= handing.is_some();
                        // The log has told the outcome.
                        let _ = reload::reload(app, self.path).await;
                    }
                    Order::HandOver if handing.is_some() => tracing::warn!("a successor is being started already"),
                    Order::HandOver => {
                        let ((doors, keepsake), program) = (app.estate(), self.program.clone());
                        outdated = false;
                        handing = Some(Box::pin(Successor::start(program, doors, keepsake)));
                    }
                },
            }
        }
    }
}
