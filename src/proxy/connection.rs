//! The life of one client connection.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::server::conn::http1::Parts;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Sleep};

use super::farewell;
use super::guest::Guest;
use super::handler::{Client, handle};
use super::pace::{Pace, Phase};
use super::tunnel::Tunnel;
use super::worker::Worker;
use crate::metrics::Refused;
use crate::net::guard::{Guarded, Post};
use crate::net::lookout::Lookout;
use crate::net::prefixed::Prefixed;

pub(super) use super::http2::serve as http2;

/// How far ahead the timer is set when there is no deadline, in nanoseconds.
const FARTHEST: u64 = 60_000_000_000;
/// How long an idle connection stays open after it should close, in nanoseconds: for the request that is on its way.
const LAST_CALL: u64 = 100_000_000;

/// Serves requests until the client closes, a deadline is missed, or the worker stops.
///
/// A stop never cuts a request off. While the worker is leaving, the request in hand is the last one, and its answer says
/// `Connection: close`, unless that is on its way already; an idle connection stays. When the worker closes, an idle
/// connection has one last moment, and a request whose head has begun is still read and answered. A tunnel goes on.
///
/// A client that turns out to speak HTTP/2 is given back, with what was read of it.
pub(super) async fn http1<I>(worker: Arc<Worker>, guest: Guest, pace: Arc<Pace>, io: I) -> Option<(I, Bytes)>
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    let peer = guest.address;
    let client = Client::new(worker.clone(), pace.clone(), Arc::new(guest));
    let upgraded = client.clone();
    let post = Arc::new(Post::default());
    let head = worker.limits.request_line.saturating_add(worker.limits.header_bytes) as usize;
    let (now, read) = (pace.clone(), post.clone());
    // Not where another request has been read already: it may be answered yet.
    let io = Lookout::new(Guarded::new(io, post.clone(), head), move || now.is_answering() && read.is_exhausted());
    let taken = post.clone();
    let service = service_fn(move |request| {
        taken.take_up();
        handle(client.clone(), request)
    });
    let mut http = worker.http.serve_connection(TokioIo::new(io), service);
    let mut watch = Watch::new(&pace);
    let mut closed = pin!(worker.closed());
    let mut asked = false;
    let mut leaving = false;
    let mut last_call = None;
    let mut unreadable = None;

    let ended = poll_fn(|cx| {
        // Registered once, to be woken; flags tell the rest.
        if !asked {
            asked = true;
            let _ = closed.as_mut().poll(cx);
        }
        loop {
            // Not once the answer's head may be written: its client would not be told, and could send another request.
            // Nor while it may be an upgrade, which is no end of the connection; what follows on another answer is.
            if worker.is_leaving()
                && !leaving
                && matches!(pace.phase(), Phase::Upload | Phase::Waiting)
                && !upgraded.tunnel.is_asked()
            {
                leaving = true;
                Pin::new(&mut http).graceful_shutdown();
            }
            if let Poll::Ready(ended) = Pin::new(&mut http).poll(cx) {
                let Err(error) = ended else { return Poll::Ready(Ended::Well) };
                if error.is_parse_version_h2() {
                    return Poll::Ready(Ended::Preface);
                }
                unreadable = unread(&error);
                tracing::debug!(%peer, %error, "connection ended");
                return Poll::Ready(Ended::Badly);
            }
            if worker.is_closing() && !leaving && pace.phase() == Phase::Idle {
                pace.end_by(*last_call.get_or_insert_with(|| pace.now() + LAST_CALL));
            }
            match watch.poll(&pace, cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Phase::Idle) if last_call.is_some() && !leaving => {
                    leaving = true;
                    Pin::new(&mut http).graceful_shutdown();
                    // What is still being written of the last answer has its time.
                    pace.finished();
                }
                Poll::Ready(Phase::Upload | Phase::Waiting) => pace.miss(),
                Poll::Ready(phase @ (Phase::Idle | Phase::Head | Phase::Response | Phase::Shared | Phase::Tunnel)) => {
                    if let Some(limit) = pace.fault() {
                        worker.metrics.refused.count(limit);
                    }
                    pace.miss();
                    tracing::debug!(%peer, ?phase, "connection closed: deadline missed");
                    if phase == Phase::Idle {
                        // Says the end as far as the client takes it at once, which over TLS is more than to close.
                        Pin::new(&mut http).graceful_shutdown();
                        let _ = Pin::new(&mut http).poll(cx);
                    }
                    return Poll::Ready(Ended::Badly);
                }
            }
        }
    })
    .await;
    if let Some(limit) = unreadable.or_else(|| post.is_violated().then_some(Refused::Framing)) {
        worker.metrics.refused.count(limit);
    }
    if post.is_overlong() {
        worker.metrics.refused.count(Refused::Headers);
        // One that has not taken the answer before would find this one in it.
        if !pace.is_client_awaited() {
            let io = http.into_parts().io.into_inner().into_inner();
            // Boxed: the other connections need not be as large.
            Box::pin(farewell::overlong(io)).await;
        }
        return None;
    }
    // What came before the 101 and is no HTTP was taken for a violation, and is lost.
    let tunnel = upgraded.tunnel.take().filter(|_| !post.is_violated());
    let Parts { io, read_buf, .. } = match (ended, &tunnel) {
        (Ended::Preface, _) | (Ended::Well, Some(_)) => http.into_parts(),
        (Ended::Well | Ended::Badly, _) => return None,
    };
    let (ahead, guarded) = io.into_inner().into_inner().into_parts();
    let io = guarded.into_inner();
    match tunnel {
        // Of a preface nothing was read ahead: no request came before it.
        None => Some((io, read_buf)),
        Some(tunnel) => {
            // Boxed: the other connections need not be as large.
            Box::pin(run_tunnel(*tunnel, Prefixed::new(read_buf, Prefixed::new(ahead, io)), &pace, watch)).await;
            None
        }
    }
}

/// How HTTP has ended on a connection.
enum Ended {
    /// With its last answer.
    Well,
    Badly,
    /// The client speaks HTTP/2.
    Preface,
}

/// Runs a tunnel to its end, or until nothing has gone through it for too long.
async fn run_tunnel<I>(tunnel: Tunnel, io: Prefixed<I>, pace: &Pace, mut watch: Watch)
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    let mut running = pin!(tunnel.run(io));
    poll_fn(|cx| match running.as_mut().poll(cx) {
        Poll::Ready(()) => Poll::Ready(()),
        Poll::Pending => watch.poll(pace, cx).map(|_| pace.miss()),
    })
    .await;
}

/// Why hyper took no request from what came, if it did not; it has answered by itself.
fn unread(error: &hyper::Error) -> Option<Refused> {
    match error.is_parse() {
        true if error.is_parse_too_large() => Some(Refused::Headers),
        true => Some(Refused::Framing),
        false => None,
    }
}

/// The one timer of a connection. It is set again only when it fires or when the deadline moves before it, so that a
/// request that is over in time costs no timer at all.
pub(super) struct Watch {
    sleep: Pin<Box<Sleep>>,
    /// When `sleep` fires, on the clock of the pace.
    fires: u64,
    /// Whether `sleep` will wake the connection.
    registered: bool,
}

impl Watch {
    pub(super) fn new(pace: &Pace) -> Self {
        let fires = pace.deadline();
        let sleep = Box::pin(tokio::time::sleep_until(Instant::from_std(pace.instant(fires))));
        Self { sleep, fires, registered: false }
    }

    /// Ready with the phase whose deadline was missed.
    pub(super) fn poll(&mut self, pace: &Pace, cx: &mut Context<'_>) -> Poll<Phase> {
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
