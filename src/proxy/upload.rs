//! A request's body on its way to a backend.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::pace::Pace;

/// Streams the client's body as the backend takes it, trailers included, and tells the pace where it stands. Boxed, so
/// that the requests without a body, which are most, are small to move.
pub(super) struct Upload(Option<Box<(Incoming, Arc<Pace>)>>);

impl Upload {
    /// Takes a body only when there is one.
    pub(super) fn new(body: Incoming, pace: &Arc<Pace>) -> Self {
        Self((!body.is_end_stream()).then(|| Box::new((body, pace.clone()))))
    }

    pub(super) fn none() -> Self {
        Self(None)
    }

    pub(super) fn is_some(&self) -> bool {
        self.0.is_some()
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(upload) = &mut self.0 else { return Poll::Ready(None) };
        let (body, pace) = &mut **upload;
        let polled = Pin::new(&mut *body).poll_frame(cx);
        pace.starve(polled.is_pending());
        match &polled {
            Poll::Ready(None) => pace.uploaded(),
            // Trailers come last; the body is not asked again after them.
            Poll::Ready(Some(Ok(frame))) if frame.is_trailers() || body.is_end_stream() => pace.uploaded(),
            Poll::Ready(Some(Err(_))) => pace.go(),
            Poll::Ready(Some(Ok(_))) | Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|upload| upload.0.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or_else(|| SizeHint::with_exact(0), |upload| upload.0.size_hint())
    }
}
