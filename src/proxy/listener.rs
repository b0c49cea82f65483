//! Accepting connections.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::Instant;

use super::entrance;
use super::worker::Worker;
use crate::model::Scheme;

const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
const BETWEEN_WARNINGS: Duration = Duration::from_secs(10);

/// A listening socket, and how clients speak there.
#[derive(Debug)]
pub struct Listener {
    pub scheme: Scheme,
    pub socket: std::net::TcpListener,
}

/// Accepts until the worker listens no more, and then whatever the kernel had already accepted, so that no client is reset.
///
/// No error ends it: running out of file descriptors pauses it, doubling from 5 ms to 1 s, until an accept succeeds.
pub(super) async fn accept(worker: Arc<Worker>, scheme: Scheme, listener: TcpListener) {
    let mut pause = FIRST_PAUSE;
    let mut warned: Option<Instant> = None;
    loop {
        let accepted = tokio::select! {
            biased;
            () = worker.stop.deaf() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((tcp, peer)) => {
                pause = FIRST_PAUSE;
                worker.spawn(entrance::welcome(worker.clone(), scheme, tcp, peer));
            }
            Err(error) if of_the_connection(&error) => {}
            Err(error) => {
                worker.metrics.accept_errors.inc();
                if warned.is_none_or(|at| at.elapsed() >= BETWEEN_WARNINGS) {
                    warned = Some(Instant::now());
                    tracing::warn!(%error, pause = ?pause, "no connection can be accepted; trying again");
                }
                tokio::select! {
                    () = worker.stop.deaf() => break,
                    () = tokio::time::sleep(pause) => {}
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
    if let Ok(socket) = listener.into_std() {
        clear(&worker, &Listener { scheme, socket });
    }
}

/// Takes what the kernel has accepted on a listener that is to be closed, which must not block.
pub(super) fn clear(worker: &Arc<Worker>, listener: &Listener) {
    loop {
        match listener.socket.accept() {
            Ok((tcp, peer)) => {
                if tcp.set_nonblocking(true).is_ok()
                    && let Ok(tcp) = tokio::net::TcpStream::from_std(tcp)
                {
                    worker.spawn(entrance::welcome(worker.clone(), listener.scheme, tcp, peer));
                }
            }
            Err(error) if of_the_connection(&error) => {}
            Err(_) => return,
        }
    }
}

/// Errors that say something of one connection, not of accepting.
fn of_the_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}
