//! The life of one client connection.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use super::handler::{Client, handle};
use super::headers::Sender;
use super::pace::{Pace, Phase};
use super::worker::Worker;
use crate::net::stream::Stream;

/// How far ahead the timer is set when there is no deadline, in nanoseconds.
const FARTHEST: u64 = 60_000_000_000;

/// Serves requests until the client closes, a deadline is missed, or the worker stops and the request in hand is
/// answered.
pub(super) async fn serve(worker: Arc<Worker>, tcp: TcpStream, peer: SocketAddr) {
    let pace = Arc::new(Pace::new(worker.idle_timeout, worker.header_timeout));
    let client = Arc::new(Client {
        worker: worker.clone(),
        pace: pace.clone(),
        address: peer.ip().to_canonical(),
        sender: Sender::new(peer.ip(), &worker.trusted_proxies),
    });
    let io = TokioIo::new(Stream::new(tcp, pace.clone(), worker.outbox.clone()));
    let service = service_fn(move |request| handle(client.clone(), request));
    let mut http = pin!(worker.http.serve_connection(io, service));
    let mut watch = Watch::new(&pace);
    let mut stopping = pin!(worker.stopping.cancelled());
    let mut told = false;
    let mut asked = false;

    poll_fn(|cx| {
        // The stop is registered once; after that a flag tells whether it is worth asking again.
        if !told && (!asked || worker.stopping.is_cancelled()) {
            asked = true;
            if stopping.as_mut().poll(cx).is_ready() {
                told = true;
                http.as_mut().graceful_shutdown();
            }
        }
        loop {
            if let Poll::Ready(ended) = http.as_mut().poll(cx) {
                if let Err(error) = ended {
                    tracing::debug!(%peer, %error, "connection ended");
                }
                return Poll::Ready(());
            }
            match watch.poll(&pace, cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Phase::Upload | Phase::Waiting) => pace.miss(),
                Poll::Ready(phase @ (Phase::Idle | Phase::Head | Phase::Response)) => {
                    pace.miss();
                    tracing::debug!(%peer, ?phase, "connection closed: deadline missed");
                    return Poll::Ready(());
                }
            }
        }
    })
    .await;
}

/// The one timer of a connection. It is set again only when it fires or when the deadline moves before it, so that a
/// request that is over in time costs no timer at all.
struct Watch {
    sleep: Pin<Box<Sleep>>,
    /// When `sleep` fires, on the clock of the pace.
    fires: u64,
    /// Whether `sleep` will wake the connection.
    registered: bool,
}

impl Watch {
    fn new(pace: &Pace) -> Self {
        let fires = pace.deadline();
        let sleep = Box::pin(tokio::time::sleep_until(Instant::from_std(pace.instant(fires))));
        Self { sleep, fires, registered: false }
    }

    /// Ready with the phase whose deadline was missed.
    fn poll(&mut self, pace: &Pace, cx: &mut Context<'_>) -> Poll<Phase> {
        loop {
            let deadline = pace.deadline();
            let sooner = deadline < self.fires;
            if self.registered && !sooner && !self.sleep.is_elapsed() {
                return Poll::Pending;
            }
            if self.sleep.is_elapsed() && deadline <= pace.now() {
                self.registered = false;
                return Poll::Ready(pace.phase());
            }
            if sooner || self.sleep.is_elapsed() {
                self.fires = deadline.min(pace.now() + FARTHEST);
                self.sleep.as_mut().reset(Instant::from_std(pace.instant(self.fires)));
            }
            self.registered = self.sleep.as_mut().poll(cx).is_pending();
        }
    }
}
