//! Accepting connections.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use super::crowd::Door;
use super::worker::Worker;
use super::{entrance, farewell};
use crate::model::Scheme;

const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
const BETWEEN_WARNINGS: Duration = Duration::from_secs(10);
/// Connections that are let in one right after the other. Then those that are there already have their turn.
const AT_ONCE: u32 = 4;
/// What the kernel takes of an answer before it can send it, in bytes, for each client. Without a limit that is megabytes
/// where packets are large, and who reads nothing gets them all copied.
const UNSENT: u32 = 128 * 1024;

/// A listening socket, and how clients speak there.
#[derive(Debug)]
pub struct Listener {
    pub scheme: Scheme,
    pub socket: std::net::TcpListener,
}

/// Accepts until the worker listens no more, and then whatever the kernel had already accepted, so that no client is reset.
///
/// It lets in a few at a time: who only ever opens connections must not keep those waiting that have one.
///
/// No error ends it: running out of file descriptors pauses it, doubling from 5 ms to 1 s, until an accept succeeds.
pub(super) async fn accept(worker: Arc<Worker>, scheme: Scheme, listener: TcpListener) {
    let door = worker.crowd.door(listener.local_addr().ok());
    bound_unsent(&listener);
    let mut pause = FIRST_PAUSE;
    let mut warned: Option<Instant> = None;
    let mut in_a_row = 0;
    loop {
        if in_a_row == AT_ONCE {
            in_a_row = 0;
            // Comes back after a look at all sockets, behind the tasks which that wakes.
            tokio::task::yield_now().await;
        }
        let accepted = tokio::select! {
            biased;
            () = worker.stop.deaf() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((tcp, peer)) => {
                pause = FIRST_PAUSE;
                in_a_row += 1;
                let_in(&worker, &door, scheme, tcp, peer);
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

/// Bounds what the kernel holds for each client of `listener`: accepted sockets inherit it.
fn bound_unsent(listener: &TcpListener) {
    if let Err(error) = SockRef::from(listener).set_tcp_notsent_lowat(UNSENT) {
        tracing::debug!(%error, "clients that do not read cost more memory of the kernel");
    }
}

/// Takes what the kernel has accepted on a listener that is to be closed, which must not block.
pub(super) fn clear(worker: &Arc<Worker>, listener: &Listener) {
    let door = worker.crowd.door(listener.socket.local_addr().ok());
    loop {
        match listener.socket.accept() {
            Ok((tcp, peer)) => {
                if tcp.set_nonblocking(true).is_ok()
                    && let Ok(tcp) = TcpStream::from_std(tcp)
                {
                    let_in(worker, &door, listener.scheme, tcp, peer);
                }
            }
            Err(error) if of_the_connection(&error) => {}
            Err(_) => return,
        }
    }
}

/// Serves a connection, if there is a place for it; else it is refused at once.
fn let_in(worker: &Arc<Worker>, door: &Door, scheme: Scheme, tcp: TcpStream, peer: SocketAddr) {
    match worker.crowd.enter(door) {
        Ok(entry) => worker.spawn(entrance::welcome(worker.clone(), entry, scheme, tcp, peer)),
        Err(reason) => farewell::refuse(worker, scheme, tcp, reason),
    }
}

/// Errors that say something of one connection, not of accepting.
fn of_the_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_the_kernel_holds_is_bounded_for_each_client() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        bound_unsent(&listener);
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        assert_eq!(SockRef::from(&accepted).tcp_notsent_lowat().unwrap(), UNSENT);
    }
}
