//! A response's body on its way to a client.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::deliver::Whole;
use super::exchange::Exchange;
use super::headers::strip_trailers;

/// A backend's body as the client takes it, trailers included, or a short text of our own.
pub(super) enum Reply {
    Backend { body: Incoming, exchange: Exchange },
    Whole { whole: Whole, exchange: Exchange },
    Text(Option<Bytes>),
}

impl Reply {
    /// Ends the exchange at once when there is no body to come.
    pub(super) fn backend(body: Incoming, mut exchange: Exchange) -> Self {
        if body.is_end_stream() {
            exchange.complete();
        }
        Self::Backend { body, exchange }
    }

    /// Ends the exchange at once when nothing is in it.
    pub(super) fn whole(whole: Whole, mut exchange: Exchange) -> Self {
        if whole.is_empty() {
            exchange.complete();
        }
        Self::Whole { whole, exchange }
    }

    pub(super) fn empty() -> Self {
        Self::Text(None)
    }

    pub(super) fn text(text: Bytes) -> Self {
        Self::Text(Some(text))
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut *self {
            Self::Text(text) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            Self::Whole { whole, .. } if whole.is_empty() => Poll::Ready(None),
            Self::Whole { whole, exchange } => {
                let body = std::mem::take(&mut whole.body);
                exchange.moved(body.len());
                let frame = match whole.trailers.take_if(|_| body.is_empty()) {
                    Some(mut trailers) => {
                        strip_trailers(&mut trailers);
                        Frame::trailers(*trailers)
                    }
                    None => Frame::data(body),
                };
                if whole.is_empty() {
                    exchange.complete();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Self::Backend { body, exchange } => {
                let mut polled = exchange.poll_frame(body, cx);
                match &mut polled {
                    Poll::Ready(Some(Ok(frame))) => {
                        frame.trailers_mut().map(strip_trailers);
                        exchange.moved(frame.data_ref().map_or(0, Bytes::len));
                        // Trailers come last; the body is not asked again after them.
                        if frame.is_trailers() || body.is_end_stream() {
                            exchange.complete();
                        }
                    }
                    Poll::Ready(None) => exchange.complete(),
                    Poll::Ready(Some(Err(_))) => exchange.broken(),
                    Poll::Pending => {}
                }
                polled
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Text(text) => text.is_none(),
            Self::Whole { whole, .. } => whole.is_empty(),
            Self::Backend { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Text(text) => SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64)),
            Self::Whole { whole, .. } => SizeHint::with_exact(whole.body.len() as u64),
            Self::Backend { body, .. } => body.size_hint(),
        }
    }
}
