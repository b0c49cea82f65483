//! The embedded store: what the admin API says, kept in this process.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::{mpsc, watch};

use super::board::Board;
use super::desk::{Desk, Ends, Granter, Stopped, forget_old_keys};
use super::key::Shared;
use super::wiring::Wiring;
use crate::metrics::BusMetrics;
use crate::supervise::{Panicked, Restarts};

/// How often the exported age is set to zero: this store is never away.
const REFRESH: Duration = Duration::from_secs(1);

/// Serves commands until the shutdown. Old keys do not exist here, and no other balancers.
pub async fn memory(wiring: Wiring) {
    let Wiring { mut watched, commands, readings, marks, metrics, life, kept, shutdown } = wiring;
    forget_old_keys(&mut watched);
    let mut board = Board::new(watched, String::new(), Shared::default());
    if let Some(kept) = kept {
        board.restore(kept, true, Instant::now(), SystemTime::now());
    }
    board.store_was_read(board.generation(), Instant::now());
    let (_, compat) = mpsc::channel(1);
    let (_, announcements) = watch::channel(BTreeMap::new());
    let keys = watch::Sender::new(board.keys());
    let old_keys = watch::Sender::default();
    let ends = Ends { commands, readings, marks, compat, announcements, keys, old_keys, shutdown };
    let mut desk = Desk::new(board, Granter::Here, ends);
    let mut restarts = Restarts::new("bus", life);
    loop {
        // Whatever the desk does with the board it does in one piece: nothing is left half done.
        match restarts.watch(round(&mut desk, &metrics)).await {
            Ok(Ok(())) => {}
            Ok(Err(Stopped)) => return,
            Err(Panicked(pause)) => tokio::time::sleep(pause).await,
        }
    }
}

async fn round(desk: &mut Desk, metrics: &BusMetrics) -> Result<(), Stopped> {
    metrics.read();
    desk.take_unread();
    desk.until_due(tokio::time::sleep(REFRESH)).await?;
    for write in desk.board.unsent() {
        desk.board.settle(&write, Instant::now());
    }
    Ok(())
}
