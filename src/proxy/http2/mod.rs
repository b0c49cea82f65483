//! The life of one client connection that speaks HTTP/2 (RFC 9113).
//!
//! - [`streams`] are its requests, each on a [`seat`] with a task and a pace of its own. [`pieces`] is the body of an
//!   answer; after some a [`tunnel`] goes on.
//! - [`inbound`] looks at what the client sends before it is parsed, by the rule of [`frames`].

mod frames;
mod inbound;
mod pieces;
mod seat;
mod streams;
mod tunnel;

use std::error::Error as _;
use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use hyper::rt::Executor;
use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::connection::Watch;
use super::crowd::Stay;
use super::guest::Guest;
use super::pace::{Pace, Phase};
use super::worker::Worker;
use crate::metrics::Refused;
use inbound::Inbound;
use seat::Answering;
use streams::{Due, Streams};

/// What a client may send of one request's body before a backend takes any, in bytes, and of all together.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// What is kept of one response until the client takes it, in bytes.
const SEND_BUFFER: usize = 64 * 1024;
/// Requests that the client resets before they are looked at, and streams that its mistakes reset.
const UNSEEN_RESETS: usize = 20;
const MISTAKES: usize = 100;
/// How often a client is asked whether it is there, and how long it may take to say so.
const PING_EVERY: Duration = Duration::from_secs(30);
const PONG_WITHIN: Duration = Duration::from_secs(20);

/// How long a client that floods keeps the connection that it has spent, at least; at most twice as long. Long beside the
/// milliseconds in which it fills one: what it sends meanwhile it cannot send through another.
const PENANCE: Duration = Duration::from_secs(10);

/// Serves requests until the client closes, is idle for too long, floods, or the worker stops.
///
/// Who floods is told at once, and is not read any more; the connection is closed when [`PENANCE`] is over. Until then it
/// counts among those of its client, who would come back at once otherwise: to let a connection in and to find the flood
/// costs more than to hold one. Besides, to close over bytes that nobody has read takes back what was said last.
///
/// A stop never cuts a request off: GOAWAY tells the client to go, what it has sent by then is answered. While the worker
/// is leaving, that is said with the next answer; an idle connection stays. When the worker closes, it is said at once.
pub(super) async fn serve<I>(worker: Arc<Worker>, guest: Guest, pace: Arc<Pace>, mut io: I)
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    let peer = guest.address;
    let streams = Arc::new(Streams::new(worker.clone(), pace.clone(), Arc::new(guest)));
    exchange(&worker, &streams, &pace, peer, &mut io).await;
    if streams.has_flooded()
        && let Some(_stay) = Stay::begin(&worker.crowd.penitents)
    {
        drop((streams, pace));
        // Not all at the same moment: they come back together, too.
        let _ = timeout(PENANCE.mul_f64(1.0 + fastrand::f64()), worker.closed()).await;
    }
}

/// Speaks HTTP/2 over `io` to the end, and leaves it open.
async fn exchange<I>(worker: &Arc<Worker>, streams: &Arc<Streams>, pace: &Arc<Pace>, peer: IpAddr, io: &mut I)
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    pace.greet();
    let io = TokioIo::new(Inbound::new(io, streams.clone()));
    let _closing = Closing(streams);
    let service = service_fn(|request| Answering::new(streams.begin(), request));
    let mut http = pin!(builder(worker, Tasks(streams.clone())).serve_connection(io, service));
    let mut watch = Watch::new(pace);
    let mut closed = pin!(worker.closed());
    let mut asked = false;
    let mut leaving = false;

    poll_fn(|cx| {
        pace.belong_to(cx.waker());
        // Registered once, to be woken; flags tell the rest.
        if !asked {
            asked = true;
            let _ = closed.as_mut().poll(cx);
        }
        loop {
            if let Poll::Ready(ended) = http.as_mut().poll(cx) {
                if let Err(error) = ended {
                    count(worker, &error);
                    tracing::debug!(%peer, %error, "connection ended");
                }
                return Poll::Ready(());
            }
            // Looked at when requests have begun and none of them has run.
            if !leaving && (worker.is_closing() || (worker.is_leaving() && !streams.is_idle())) {
                leaving = true;
                streams.leave();
                http.as_mut().graceful_shutdown();
                continue;
            }
            let due = match watch.poll(pace, cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Phase::Shared) => streams.look(),
                Poll::Ready(_) => Due::Head,
            };
            match due {
                Due::Nothing => {}
                Due::Idle if !leaving => {
                    leaving = true;
                    streams.leave();
                    http.as_mut().graceful_shutdown();
                }
                Due::Idle | Due::Head => {
                    if due == Due::Head && !leaving {
                        worker.metrics.refused.count(Refused::HeaderTimeout);
                    }
                    tracing::debug!(%peer, ?due, "connection closed: deadline missed");
                    return Poll::Ready(());
                }
            }
        }
    })
    .await;
}

fn builder(worker: &Worker, tasks: Tasks) -> Builder<Tasks> {
    let mut builder = Builder::new(tasks);
    builder
        .timer(TokioTimer::new())
        .enable_connect_protocol()
        .max_concurrent_streams(worker.limits.streams)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_header_list_size(worker.limits.header_bytes)
        .max_pending_accept_reset_streams(UNSEEN_RESETS)
        .max_local_error_reset_streams(MISTAKES)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PONG_WITHIN);
    builder
}

/// Counts a connection that hyper has ended for a flood that it sees itself.
fn count(worker: &Worker, error: &hyper::Error) {
    let reason = error.source().and_then(|source| source.downcast_ref::<h2::Error>()).and_then(h2::Error::reason);
    if reason == Some(h2::Reason::ENHANCE_YOUR_CALM) {
        worker.metrics.refused.count(Refused::Flood);
    }
}

/// Ends the connection for its streams when it is dropped.
struct Closing<'a>(&'a Streams);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Runs the streams of one connection as tasks of its worker.
#[derive(Clone)]
struct Tasks(Arc<Streams>);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Tasks {
    fn execute(&self, stream: F) {
        self.0.run(stream);
    }
}
