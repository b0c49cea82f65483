//! One request, brought to a backend: over a pooled connection or a fresh one, and sent again where that is safe.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use http::{Method, Request, Response};
use hyper::body::Incoming;

use super::connect;
use super::exchange::Exchange;
use super::pace::Pace;
use super::upload::Upload;
use super::upstream::Connection;
use super::worker::Worker;
use crate::metrics::Failure;
use crate::table::Backend;

/// Fresh connections that are tried for one request whose bytes never went out.
const MAX_CONNECTS: u32 = 3;

/// Sends `request` to the backend of `exchange`, and waits for the response's head.
///
/// - A request of which nothing was written, because the pooled connection turned out to be closed, is sent again on a
///   fresh connection, whatever its method.
/// - One that was written to a *reused* connection and got no byte back is sent again, once, if it is a GET, HEAD or
///   OPTIONS without a body.
/// - Everything else is a failure.
///
/// A fresh connection takes time, in which the backend may have left the rotation: `reroute` is asked then, and may name
/// another backend to begin with instead. Cancel safe: dropped, it closes the connection that it uses.
pub(super) async fn deliver(
    worker: &Worker,
    exchange: &mut Exchange,
    pace: &Pace,
    mut request: Request<Upload>,
    reroute: impl Fn(&Backend, &Request<Upload>) -> Option<Arc<Backend>>,
) -> Result<(Response<Incoming>, Box<Connection>), Failure> {
    let has_body = request.body().is_some();
    let repeatable = !has_body && [Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method());
    let mut pooled = worker.pool.take(&exchange.backend);
    let mut connects = 0;
    loop {
        let reused = pooled.is_some();
        let mut connection = match pooled.take() {
            Some(connection) => connection,
            None if connects == MAX_CONNECTS => return Err(Failure::Closed),
            None => {
                connects += 1;
                // Boxed: connecting is rare, and its state would make every request's larger.
                let connection = Box::pin(connect::open(&worker.outbox, &exchange.backend)).await.map_err(|error| {
                    tracing::debug!(backend = %exchange.backend.id, %error, "connect failed");
                    Failure::Connect
                })?;
                if let Some(other) = reroute(&exchange.backend, &request) {
                    worker.pool.put(&exchange.backend, connection, Instant::now());
                    pooled = worker.pool.take(&other);
                    exchange.reroute(other);
                    continue;
                }
                connection
            }
        };

        let spare = (reused && repeatable).then(|| copy(&request));
        let timeout = &exchange.backend.timeout;
        pace.sent(has_body, timeout.idle, timeout.response);
        let outcome = {
            let mut sent = pin!(connection.send(request));
            poll_fn(|cx| match connection.poll_response(sent.as_mut(), cx) {
                Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
                Poll::Pending if pace.missed() => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            })
            .await
        };
        match outcome {
            Some(Ok(response)) => return Ok((response, connection)),
            Some(Err(mut error)) => {
                let failure = kind(error.error());
                request = match (error.take_message(), spare) {
                    (Some(unsent), _) => unsent,
                    (None, Some(spare)) if failure == Failure::Closed && !connection.heard_any() => spare,
                    _ => {
                        tracing::debug!(backend = %exchange.backend.id, error = %error.error(), "no response");
                        return Err(failure);
                    }
                };
                exchange.backend.metrics.resends.inc();
            }
            None => return Err(Failure::Timeout),
        }
    }
}

/// A second head for a request without a body.
fn copy(request: &Request<Upload>) -> Request<Upload> {
    let mut copy = Request::new(Upload::none());
    copy.method_mut().clone_from(request.method());
    copy.uri_mut().clone_from(request.uri());
    copy.headers_mut().clone_from(request.headers());
    copy
}

fn kind(error: &hyper::Error) -> Failure {
    if error.is_parse() || error.is_parse_too_large() || error.is_parse_status() {
        Failure::Malformed
    } else {
        Failure::Closed
    }
}
