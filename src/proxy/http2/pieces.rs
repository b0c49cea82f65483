//! A response's body over HTTP/2.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::super::pace::Pace;
use super::super::reply::Reply;

/// What is handed over at a time, in bytes: the next piece shows that the client took the one before it, and streams
/// take turns.
const PIECE: usize = 16 * 1024;

/// Hands a [`Reply`] over in pieces, and tells the stream's pace of each.
pub(super) struct Pieces {
    reply: Reply,
    rest: Bytes,
    /// Bytes that were handed over last.
    handed: usize,
    pace: Arc<Pace>,
}

impl Pieces {
    pub(super) fn new(reply: Reply, pace: Arc<Pace>) -> Self {
        Self { reply, rest: Bytes::new(), handed: 0, pace }
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let me = &mut *self;
        if me.handed > 0 {
            me.pace.took(std::mem::take(&mut me.handed));
        }
        if me.rest.is_empty() {
            match std::task::ready!(Pin::new(&mut me.reply).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => me.rest = data,
                    Err(other) => return Poll::Ready(Some(Ok(other))),
                },
                ended => return Poll::Ready(ended),
            }
        }
        let piece = me.rest.split_to(PIECE.min(me.rest.len()));
        me.handed = piece.len();
        if me.handed > 0 {
            me.pace.handed_over();
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.reply.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, hint) = (self.rest.len() as u64, self.reply.size_hint());
        let mut all = SizeHint::new();
        all.set_lower(hint.lower() + rest);
        if let Some(upper) = hint.upper() {
            all.set_upper(upper + rest);
        }
        all
    }
}
