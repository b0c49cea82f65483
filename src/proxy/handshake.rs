//! The TLS handshake of a connection, in its time.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use super::guest::Guest;
use super::pace::{Pace, Phase};
use super::worker::Worker;
use crate::metrics::{Handshake, Refused};
use crate::net::stream::Stream;
use crate::tls::Accepted;

/// How long a handshake may still take after its worker was told to close.
const LAST_CALL: Duration = Duration::from_secs(1);

/// `None`: it came to nothing, and the connection is closed. What is wrong with it is the client's affair, and is told at
/// debug alone.
pub(super) async fn handshake(
    worker: &Worker,
    guest: &Guest,
    pace: &Pace,
    io: Stream<Arc<Pace>>,
    due: Instant,
) -> Option<Accepted<Stream<Arc<Pace>>>> {
    let acceptor = worker.tls.as_ref()?;
    let last_call = async {
        worker.closed().await;
        sleep(LAST_CALL).await;
    };
    let accepted = tokio::select! {
        biased;
        accepted = timeout_at(due, worker.turnstile.pass(acceptor.accept(io))) => accepted,
        () = last_call => return None,
    };
    let peer = guest.address;
    let result = match &accepted {
        Ok(Ok(Accepted { resumed: false, .. })) => Handshake::Full,
        Ok(Ok(Accepted { resumed: true, .. })) => Handshake::Resumed,
        // Whoever only looks whether somebody listens has not failed.
        Ok(Err(_)) if pace.phase() == Phase::Idle => return None,
        Ok(Err(error)) => {
            tracing::debug!(%peer, %error, "handshake failed");
            Handshake::Failed
        }
        Err(_) => {
            tracing::debug!(%peer, "handshake not in time");
            Handshake::Timeout
        }
    };
    worker.metrics.handshakes.count(result);
    match accepted {
        Ok(Ok(accepted)) => {
            pace.begin();
            Some(accepted)
        }
        Ok(Err(_)) | Err(_) => {
            worker.metrics.refused.count(Refused::Handshake);
            None
        }
    }
}
