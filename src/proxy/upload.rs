//! A request's body on its way to a backend.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::deliver::Replay;
use super::headers::strip_trailers;
use super::pace::Pace;

/// Streams the client's body as the backend takes it, trailers included, and tells the pace where it stands. Boxed, so
/// that the requests without a body, which are most, are small to move.
pub(super) struct Upload(Option<Box<Stream>>);

struct Stream {
    source: Source,
    pace: Arc<Pace>,
    /// Largest body, in bytes.
    limit: u64,
    /// What of it may still come.
    left: u64,
}

/// Why a body is not sent on to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    #[error(transparent)]
    Client(hyper::Error),
    #[error("the body is larger than the service takes")]
    TooLarge,
    #[error("nobody waits for the response any more")]
    Abandoned,
}

enum Source {
    /// Each byte goes by once.
    Once(Incoming),
    /// What goes by is kept, for as long as it is little.
    Kept(Replay),
}

impl Upload {
    /// Takes a body only when there is one.
    pub(super) fn new(body: Incoming, pace: &Arc<Pace>) -> Self {
        if body.is_end_stream() {
            return Self::none();
        }
        let source = Source::Once(body);
        Self(Some(Box::new(Stream { source, pace: pace.clone(), limit: u64::MAX, left: u64::MAX })))
    }

    pub(super) fn none() -> Self {
        Self(None)
    }

    pub(super) fn is_some(&self) -> bool {
        self.0.is_some()
    }

    /// Keeps up to `limit` bytes of what will go by, so that the body can be sent again.
    pub(super) fn keep(self, limit: usize) -> Self {
        let Some(stream) = self.0 else { return self };
        let source = match stream.source {
            Source::Once(body) => Source::Kept(Replay::new(body, limit)),
            kept @ Source::Kept(_) => kept,
        };
        Self(Some(Box::new(Stream { source, ..*stream })))
    }

    /// Takes no more than `limit` bytes. False: the body says of itself that it is larger.
    pub(super) fn limit(&mut self, limit: u64) -> bool {
        let Some(stream) = &mut self.0 else { return true };
        (stream.limit, stream.left) = (limit, limit);
        stream.source.size_hint().lower() <= limit
    }

    /// The same body from its beginning. `None` when that is not kept.
    pub(super) fn again(&self) -> Option<Self> {
        let Some(stream) = &self.0 else { return Some(Self::none()) };
        let Source::Kept(replay) = &stream.source else { return None };
        let (source, pace) = (Source::Kept(replay.again()?), stream.pace.clone());
        Some(Self(Some(Box::new(Stream { source, pace, limit: stream.limit, left: stream.limit }))))
    }

    /// Whether this, of which nothing has been taken, still has the whole body.
    pub(super) fn is_whole(&self) -> bool {
        self.0.as_ref().is_none_or(|stream| match &stream.source {
            Source::Once(_) => true,
            Source::Kept(replay) => replay.is_whole(),
        })
    }
}

impl Source {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self {
            Self::Once(body) => Pin::new(body).poll_frame(cx),
            Self::Kept(replay) => replay.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Once(body) => body.is_end_stream(),
            Self::Kept(replay) => replay.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Once(body) => body.size_hint(),
            Self::Kept(replay) => replay.size_hint(),
        }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let Some(stream) = &mut self.0 else { return Poll::Ready(None) };
        let Stream { source, pace, left, .. } = &mut **stream;
        if pace.is_abandoned(cx.waker()) {
            return Poll::Ready(Some(Err(Broken::Abandoned)));
        }
        let mut polled = source.poll_frame(cx);
        pace.starve(polled.is_pending());
        if let Poll::Ready(Some(Ok(frame))) = &mut polled {
            frame.trailers_mut().map(strip_trailers);
            pace.taken(frame.data_ref().map_or(0, Bytes::len));
        }
        match &polled {
            Poll::Ready(None) => pace.uploaded(),
            Poll::Ready(Some(Ok(frame))) if exceeds(frame, left) => {
                pace.overrun();
                return Poll::Ready(Some(Err(Broken::TooLarge)));
            }
            // Trailers come last; the body is not asked again after them.
            Poll::Ready(Some(Ok(frame))) if frame.is_trailers() || source.is_end_stream() => pace.uploaded(),
            Poll::Ready(Some(Err(_))) => pace.go(),
            Poll::Ready(Some(Ok(_))) | Poll::Pending => {}
        }
        polled.map_err(Broken::Client)
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|stream| stream.source.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or_else(|| SizeHint::with_exact(0), |stream| stream.source.size_hint())
    }
}

/// Whether a frame has more bytes than are `left`, from which they are taken.
fn exceeds(frame: &Frame<Bytes>, left: &mut u64) -> bool {
    let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
    match left.checked_sub(bytes) {
        Some(rest) => {
            *left = rest;
            false
        }
        None => true,
    }
}
