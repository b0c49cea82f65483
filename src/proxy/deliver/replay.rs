//! A request's body that can be sent again, for as long as little of it has gone by.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

/// Most pieces that are kept, however small: each costs more than its bytes.
const MAX_PIECES: usize = 1024;

/// One reading of a body. All readings share what is kept; only the newest one is read.
pub(in crate::proxy) struct Replay<B = Incoming> {
    kept: Arc<Mutex<Kept<B>>>,
    next: usize,
}

/// The lock is never contended: only the task of the request takes it.
struct Kept<B> {
    body: B,
    /// Everything that was read of `body`, until it outgrows `limit` or breaks off.
    pieces: Vec<Piece>,
    bytes: usize,
    limit: usize,
    /// What was read is not kept any more.
    gone: bool,
    ended: bool,
}

enum Piece {
    Data(Bytes),
    Trailers(HeaderMap),
}

impl<B: Body<Data = Bytes> + Unpin> Replay<B> {
    /// Keeps up to `limit` bytes of `body`.
    pub(in crate::proxy) fn new(body: B, limit: usize) -> Self {
        let kept = Kept { body, pieces: Vec::new(), bytes: 0, limit, gone: false, ended: false };
        Self { kept: Arc::new(Mutex::new(kept)), next: 0 }
    }

    /// A reading from the beginning, if that is still there.
    pub(in crate::proxy) fn again(&self) -> Option<Self> {
        self.is_whole().then(|| Self { kept: self.kept.clone(), next: 0 })
    }

    pub(in crate::proxy) fn is_whole(&self) -> bool {
        !self.lock().gone
    }

    pub(in crate::proxy) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let next = self.next;
        self.next += 1;
        let mut kept = self.lock();
        if let Some(piece) = kept.pieces.get(next) {
            return Poll::Ready(Some(Ok(piece.frame())));
        }
        if kept.ended {
            return Poll::Ready(None);
        }
        let polled = Pin::new(&mut kept.body).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => kept.keep(frame),
            Poll::Ready(None) => kept.ended = true,
            Poll::Ready(Some(Err(_))) => kept.give_up(),
            Poll::Pending => {}
        }
        drop(kept);
        if polled.is_pending() {
            self.next = next;
        }
        polled
    }

    pub(in crate::proxy) fn is_end_stream(&self) -> bool {
        let kept = self.lock();
        self.next >= kept.pieces.len() && (kept.ended || kept.body.is_end_stream())
    }

    pub(in crate::proxy) fn size_hint(&self) -> SizeHint {
        let kept = self.lock();
        let before: u64 = kept.pieces.iter().skip(self.next).map(Piece::len).sum();
        let rest = kept.body.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(before + rest.lower());
        if let Some(upper) = rest.upper() {
            hint.set_upper(before + upper);
        }
        hint
    }

    fn lock(&self) -> MutexGuard<'_, Kept<B>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<B> Kept<B> {
    fn keep(&mut self, frame: &Frame<Bytes>) {
        if self.gone {
            return;
        }
        let piece = match (frame.data_ref(), frame.trailers_ref()) {
            (Some(data), _) => Piece::Data(data.clone()),
            (None, Some(trailers)) => Piece::Trailers(trailers.clone()),
            (None, None) => return,
        };
        self.bytes += usize::try_from(piece.len()).unwrap_or(usize::MAX);
        if self.bytes > self.limit || self.pieces.len() == MAX_PIECES {
            self.give_up();
        } else {
            self.pieces.push(piece);
        }
    }

    /// Half a body must never look like a whole one: what broke off does not come again.
    fn give_up(&mut self) {
        self.gone = true;
        self.pieces = Vec::new();
    }
}

impl Piece {
    fn frame(&self) -> Frame<Bytes> {
        match self {
            Self::Data(data) => Frame::data(data.clone()),
            Self::Trailers(trailers) => Frame::trailers(trailers.clone()),
        }
    }

    fn len(&self) -> u64 {
        match self {
            Self::Data(data) => data.len() as u64,
            Self::Trailers(_) => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::task::Waker;

    use super::*;

    /// Gives its pieces one by one; an empty one stands for a pause, `BROKEN` for the end of a client.
    struct Pieces(VecDeque<&'static str>);

    const BROKEN: &str = "broken";

    impl Body for Pieces {
        type Data = Bytes;
        type Error = &'static str;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            match self.0.pop_front() {
                Some("") => Poll::Pending,
                Some(BROKEN) => Poll::Ready(Some(Err(BROKEN))),
                Some(piece) => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(piece.as_bytes()))))),
                None => Poll::Ready(None),
            }
        }

        fn size_hint(&self) -> SizeHint {
            SizeHint::with_exact(self.0.iter().map(|piece| piece.len() as u64).sum())
        }
    }

    fn replay(pieces: &[&'static str], limit: usize) -> Replay<Pieces> {
        Replay::new(Pieces(pieces.iter().copied().collect()), limit)
    }

    /// What comes until the body ends or pauses.
    fn read(replay: &mut Replay<Pieces>) -> String {
        let mut cx = Context::from_waker(Waker::noop());
        let mut text = String::new();
        while let Poll::Ready(Some(Ok(frame))) = replay.poll_frame(&mut cx) {
            text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
        }
        text
    }

    #[test]
    fn what_was_read_comes_again_and_then_the_rest() {
        let mut first = replay(&["ab", "c", "", "de", "f"], 100);
        assert_eq!(read(&mut first), "abc");
        let mut second = first.again().unwrap();
        assert_eq!(second.size_hint().exact(), Some(6));
        drop(first);
        assert_eq!(read(&mut second), "abcdef");
        assert!(second.is_end_stream());
        assert_eq!(read(&mut second.again().unwrap()), "abcdef");
    }

    #[test]
    fn a_body_that_outgrows_the_buffer_goes_on_but_cannot_come_again() {
        let mut first = replay(&["abc", "", "d", "e"], 3);
        assert_eq!(read(&mut first), "abc");
        assert!(first.is_whole());
        assert_eq!(read(&mut first), "de");
        assert!(!first.is_whole() && first.again().is_none());
        assert!(first.lock().pieces.is_empty());
    }

    #[test]
    fn a_second_reading_may_outgrow_the_buffer() {
        let mut first = replay(&["abc", "", "de", "", "fg"], 4);
        read(&mut first);
        let mut second = first.again().unwrap();
        assert_eq!(read(&mut second), "abcde");
        assert_eq!(read(&mut second), "fg");
        assert!(second.again().is_none());
    }

    #[test]
    fn a_body_that_breaks_off_does_not_come_again_as_a_whole_one() {
        let mut first = replay(&["ab", "", "c", BROKEN], 100);
        read(&mut first);
        let mut second = first.again().unwrap();
        assert_eq!(read(&mut second), "abc");
        assert!(!second.is_whole() && second.again().is_none());
        assert!(!first.is_whole(), "nor does a reading that was made before");
    }

    #[test]
    fn tiny_pieces_are_bounded_in_number() {
        let mut first = replay(&["a"; MAX_PIECES + 1], usize::MAX);
        assert_eq!(read(&mut first).len(), MAX_PIECES + 1);
        assert!(!first.is_whole());
    }
}
