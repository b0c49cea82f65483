//! Short answers are read whole before their head goes to the client: one that breaks off is a failure then, which can
//! be retried, and not a broken answer.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::Body as _;
use hyper::body::Incoming;

use super::super::pace::Pace;
use super::super::upstream::Connection;

/// Longest body that is read whole, in bytes.
const SHORT: u64 = 16 * 1024;

/// Whether there is a body, and it says that it is short.
pub(super) fn is_short(body: &Incoming) -> bool {
    !body.is_end_stream() && body.size_hint().exact().is_some_and(|length| length <= SHORT)
}

/// A short body that is here to its end.
#[derive(Default)]
pub(in crate::proxy) struct Whole {
    pub(in crate::proxy) body: Bytes,
    /// Beside a length only HTTP/2 has any.
    pub(in crate::proxy) trailers: Option<Box<HeaderMap>>,
}

impl Whole {
    /// Whether nothing of it is left.
    pub(in crate::proxy) fn is_empty(&self) -> bool {
        self.body.is_empty() && self.trailers.is_none()
    }
}

/// Reads a short body to its end. It may stand still for `idle`. `None`: it broke off or stood still for longer.
///
/// As a rule the body has come with the head, and nothing waits here and nothing is copied. Cancel safe: dropped, what
/// was read is lost, and the connection has to be dropped with it.
pub(super) async fn read(
    connection: &mut Connection,
    body: &mut Incoming,
    pace: &Pace,
    idle: Duration,
) -> Option<Whole> {
    let mut trailers = None;
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    let mut progress = true;
    poll_fn(|cx| {
        loop {
            if body.is_end_stream() {
                return Poll::Ready(Some(()));
            }
            match connection.poll_frame(body, cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    progress = true;
                    let data = match frame.into_data() {
                        Ok(data) => data,
                        Err(frame) => {
                            trailers = frame.into_trailers().ok().map(Box::new);
                            continue;
                        }
                    };
                    if first.is_empty() {
                        first = data;
                        continue;
                    }
                    if all.is_empty() {
                        let rest = body.size_hint().upper().and_then(|rest| usize::try_from(rest).ok()).unwrap_or(0);
                        all.reserve(first.len() + data.len() + rest);
                        all.extend_from_slice(&first);
                    }
                    all.extend_from_slice(&data);
                }
                Poll::Ready(Some(Err(error))) => {
                    tracing::debug!(%error, "a short answer broke off");
                    return Poll::Ready(None);
                }
                Poll::Ready(None) => return Poll::Ready(Some(())),
                Poll::Pending if pace.missed() => return Poll::Ready(None),
                Poll::Pending => {
                    if std::mem::take(&mut progress) {
                        pace.owed(idle);
                    }
                    return Poll::Pending;
                }
            }
        }
    })
    .await?;
    Some(Whole { body: if all.is_empty() { first } else { all.freeze() }, trailers })
}
