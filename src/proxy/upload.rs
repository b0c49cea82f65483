//! A request's body on its way to a backend.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::deliver::Replay;
use super::pace::Pace;

/// Streams the client's body as the backend takes it, trailers included, and tells the pace where it stands. Boxed, so
/// that the requests without a body, which are most, are small to move.
pub(super) struct Upload(Option<Box<(Source, Arc<Pace>)>>);

enum Source {
    /// Each byte goes by once.
    Once(Incoming),
    /// What goes by is kept, for as long as it is little.
    Kept(Replay),
}

impl Upload {
    /// Takes a body only when there is one.
    pub(super) fn new(body: Incoming, pace: &Arc<Pace>) -> Self {
        Self((!body.is_end_stream()).then(|| Box::new((Source::Once(body), pace.clone()))))
    }

    pub(super) fn none() -> Self {
        Self(None)
    }

    pub(super) fn is_some(&self) -> bool {
        self.0.is_some()
    }

    /// Keeps up to `limit` bytes of what will go by, so that the body can be sent again.
    pub(super) fn keep(self, limit: usize) -> Self {
        let Some(upload) = self.0 else { return self };
        let (source, pace) = *upload;
        let source = match source {
            Source::Once(body) => Source::Kept(Replay::new(body, limit)),
            kept @ Source::Kept(_) => kept,
        };
        Self(Some(Box::new((source, pace))))
    }

    /// The same body from its beginning. `None` when that is not kept.
    pub(super) fn again(&self) -> Option<Self> {
        let Some(upload) = &self.0 else { return Some(Self::none()) };
        match &**upload {
            (Source::Once(_), _) => None,
            (Source::Kept(replay), pace) => Some(Self(Some(Box::new((Source::Kept(replay.again()?), pace.clone()))))),
        }
    }

    /// Whether this, of which nothing has been taken, still has the whole body.
    pub(super) fn is_whole(&self) -> bool {
        self.0.as_ref().is_none_or(|upload| match &upload.0 {
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
}

impl Body for Upload {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(upload) = &mut self.0 else { return Poll::Ready(None) };
        let (source, pace) = &mut **upload;
        let polled = source.poll_frame(cx);
        pace.starve(polled.is_pending());
        if let Poll::Ready(Some(Ok(_))) = &polled {
            pace.taken();
        }
        match &polled {
            Poll::Ready(None) => pace.uploaded(),
            // Trailers come last; the body is not asked again after them.
            Poll::Ready(Some(Ok(frame))) if frame.is_trailers() || source.is_end_stream() => pace.uploaded(),
            Poll::Ready(Some(Err(_))) => pace.go(),
            Poll::Ready(Some(Ok(_))) | Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|upload| upload.0.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or_else(
            || SizeHint::with_exact(0),
            |upload| match &upload.0 {
                Source::Once(body) => body.size_hint(),
                Source::Kept(replay) => replay.size_hint(),
            },
        )
    }
}
