//! The later pieces of a head, until it is whole.
//!
//! The parser looks at a head when its first piece comes, and then not before its end, for which it searches every piece
//! byte by byte: the dearest thing about a large head, and lost on one that is too large. So it gets the first piece at
//! once, and the others when it has a use for them.

use bytes::{Buf, BytesMut};
use tokio::io::ReadBuf;

#[derive(Debug, Default)]
pub(super) struct Held {
    bytes: BytesMut,
    released: bool,
}

impl Held {
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn put(&mut self, piece: &[u8]) {
        self.bytes.extend_from_slice(piece);
    }

    /// The parser may have it.
    pub(super) fn release(&mut self) {
        self.released = true;
    }

    /// True while the parser takes what was released: `buf` has as much of it as it can take.
    #[inline]
    pub(super) fn give(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        self.released && self.give_part(buf)
    }

    #[cold]
    fn give_part(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let part = self.bytes.len().min(buf.remaining());
        buf.put_slice(&self.bytes[..part]);
        self.bytes.advance(part);
        if self.bytes.is_empty() {
            *self = Self::default();
        }
        true
    }
}
