//! What a client sends over HTTP/2, looked at frame by frame, and how much of it is noise (RFC 9113, 10.5).

/// The length of a frame's head (RFC 9113, 4.1).
const HEAD: usize = 9;
/// The length of the client's preface.
const PREFACE: usize = 24;

/// How much noise there may be within [`WINDOW`].
const LIMIT: u32 = 1000;
const WINDOW: u64 = 1_000_000_000;
/// Bytes that we write and that make one window update of the client's reasonable.
const PER_UPDATE: usize = 32;
/// Most bytes written that are remembered for it.
const MAX_CREDIT: usize = 16 * 1024 * 1024;

/// More noise than HTTP/2 has a use for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flood;

/// Follows the frames of a connection over its raw bytes. Looks at their heads alone.
///
/// Noise are frames that cost us and move no request on: settings, pings, priorities, resets, empty data, window updates
/// for nothing, and what nobody knows. What frames a request is bounded by the parser and by the number of streams.
#[derive(Debug)]
pub(super) struct Frames {
    /// Bytes to come that belong to no head.
    skip: usize,
    head: [u8; HEAD],
    /// Bytes of `head` that are here.
    have: usize,
    /// No frame has begun yet.
    silent: bool,
    /// The frame at hand carries a part of a header block.
    heading: bool,
    /// A header block goes on in the next frame.
    open: bool,
    last_stream: u32,
    noise: u32,
    /// When the noise was nothing, on the clock of whoever calls.
    since: u64,
    credit: usize,
}

impl Frames {
    /// At the first byte of a connection.
    pub(super) fn new() -> Self {
        Self {
            skip: PREFACE,
            head: [0; HEAD],
            have: 0,
            silent: true,
            heading: false,
            open: false,
            last_stream: 0,
            noise: 0,
            since: 0,
            credit: 0,
        }
    }

    /// Whether the preface and the beginning of a frame have come.
    pub(super) fn has_greeted(&self) -> bool {
        !self.silent
    }

    /// Whether a header block has begun and not ended.
    pub(super) fn is_in_head(&self) -> bool {
        self.open || (self.heading && self.skip > 0)
    }

    /// The last stream that the client opened.
    pub(super) fn last_stream(&self) -> u32 {
        self.last_stream
    }

    /// We have written so many bytes.
    pub(super) fn wrote(&mut self, bytes: usize) {
        self.credit = (self.credit + bytes).min(MAX_CREDIT);
    }

    /// Looks at what was read. `now` is asked only when there is much noise.
    ///
    /// # Errors
    /// More noise than there may be in the time.
    pub(super) fn read(&mut self, mut bytes: &[u8], now: impl FnOnce() -> u64) -> Result<(), Flood> {
        loop {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            if bytes.is_empty() {
                break;
            }
            let part = (HEAD - self.have).min(bytes.len());
            self.head[self.have..self.have + part].copy_from_slice(&bytes[..part]);
            self.have += part;
            bytes = &bytes[part..];
            if self.have == HEAD {
                self.have = 0;
                self.begin();
            }
        }
        if self.noise < LIMIT {
            return Ok(());
        }
        let now = now();
        let soon = now.saturating_sub(self.since) < WINDOW;
        self.noise = 0;
        self.since = now;
        if soon { Err(Flood) } else { Ok(()) }
    }

    /// A frame begins (RFC 9113, 6).
    fn begin(&mut self) {
        const END_STREAM: u8 = 0x1;
        const ACK: u8 = 0x1;
        const END_HEADERS: u8 = 0x4;
        let [a, b, c, kind, flags, id @ ..] = self.head;
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        let is = |flag| flags & flag != 0;
        self.silent = false;
        self.skip = length;
        self.heading = matches!(kind, 0x1 | 0x9);
        self.noise += match kind {
            // DATA
            0x0 => u32::from(length == 0 && !is(END_STREAM)),
            // HEADERS
            0x1 => {
                self.last_stream = self.last_stream.max(u32::from_be_bytes(id) & 0x7fff_ffff);
                self.open = !is(END_HEADERS);
                0
            }
            // RST_STREAM: the work on a request may be lost.
            0x3 => 5,
            // SETTINGS: touches every stream, and is answered.
            0x4 if !is(ACK) => 10,
            // WINDOW_UPDATE
            0x8 if self.credit >= PER_UPDATE => {
                self.credit -= PER_UPDATE;
                0
            }
            // CONTINUATION
            0x9 => {
                self.open = !is(END_HEADERS);
                0
            }
            _ => 1,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATA: u8 = 0;
    const HEADERS: u8 = 1;
    const RST_STREAM: u8 = 3;
    const SETTINGS: u8 = 4;
    const PING: u8 = 6;
    const WINDOW_UPDATE: u8 = 8;
    const CONTINUATION: u8 = 9;

    fn frame(kind: u8, flags: u8, id: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![0, 0, payload.len() as u8, kind, flags, 0, 0, 0, id];
        frame.extend_from_slice(payload);
        frame
    }

    /// Frames after a preface, and a window that has just begun.
    fn frames() -> Frames {
        let mut frames = Frames::new();
        frames.read(&[b'x'; PREFACE], || 0).unwrap();
        assert!(!frames.has_greeted());
        frames
    }

    /// How many frames of a kind may come at once.
    fn allowed(frame: &[u8]) -> usize {
        let mut frames = frames();
        (0..5000).take_while(|_| frames.read(frame, || 1).is_ok()).count() + 1
    }

    #[test]
    fn each_kind_of_noise_has_its_price() {
        for (what, frame, expected) in [
            ("pings", frame(PING, 0, 0, &[0; 8]), 1000),
            ("empty data", frame(DATA, 0, 1, b""), 1000),
            ("unknown frames", frame(0x42, 0, 1, b"x"), 1000),
            ("resets", frame(RST_STREAM, 0, 1, &[0; 4]), 200),
            ("settings", frame(SETTINGS, 0, 0, &[0; 6]), 100),
            ("updates for nothing", frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]), 1000),
            ("data", frame(DATA, 0, 1, b"x"), 5001),
            ("the last data", frame(DATA, 1, 1, b""), 5001),
            ("requests", frame(HEADERS, 5, 1, b"x"), 5001),
        ] {
            assert_eq!(allowed(&frame), expected, "{what}");
        }
    }

    #[test]
    fn noise_over_a_long_time_is_none() {
        let mut frames = frames();
        let ping = frame(PING, 0, 0, &[0; 8]);
        for n in 1..10 {
            assert!((0..1000).all(|_| frames.read(&ping, || n * WINDOW).is_ok()));
        }
    }

    #[test]
    fn window_updates_for_what_was_written_are_none() {
        let mut frames = frames();
        let update = frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]);
        for _ in 0..5000 {
            frames.wrote(PER_UPDATE);
            frames.read(&update, || 1).unwrap();
        }
    }

    #[test]
    fn frames_are_found_wherever_the_reads_end() {
        let mut bytes = vec![b'x'; PREFACE];
        for id in [1, 3, 5] {
            bytes.extend(frame(HEADERS, 4, id, b"head"));
            bytes.extend(frame(DATA, 1, id, b"data"));
        }
        for size in 1..bytes.len() {
            let mut frames = Frames::new();
            for part in bytes.chunks(size) {
                frames.read(part, || 0).unwrap();
            }
            assert!(frames.last_stream() == 5 && !frames.is_in_head() && frames.has_greeted(), "{size}");
        }
    }

    #[test]
    fn a_head_ends_with_its_last_byte() {
        let mut frames = frames();
        let mut read = |bytes: &[u8]| {
            frames.read(bytes, || 0).unwrap();
            frames.is_in_head()
        };
        let begun = frame(HEADERS, 0, 1, b"abc");
        let ended = frame(CONTINUATION, 4, 1, b"def");
        assert!(read(&begun[..10]));
        assert!(read(&begun[10..]));
        assert!(read(&ended[..ended.len() - 1]));
        assert!(!read(&ended[ended.len() - 1..]));
    }
}
