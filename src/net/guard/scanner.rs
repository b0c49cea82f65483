//! Where the messages of a client's HTTP/1 connection end.

use memchr::memmem;

use super::chunked::Chunked;
use super::field::{Field, Framing, Step};
use super::lines;

/// A byte that cannot be part of a message which means the same to everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Its place in the bytes that were scanned.
    pub at: usize,
}

/// Reads requests in pieces of any size, one after the other. It looks at the ends of lines, at the first bytes of each,
/// and at what frames a body; nothing is kept.
///
/// It does not check what an HTTP parser refuses anyway. What both of them pass, both divide into the same messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scanner {
    state: State,
    /// Of the message whose head is being read.
    framing: Option<Framing>,
    /// Messages of which something was read.
    begun: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Between messages. Empty lines before a request are skipped (RFC 9112, 2.2).
    #[default]
    Start,
    /// After the CR of such an empty line.
    StartCr,
    /// In the request line, or in a field that does not frame the body. `last` is the byte that was read last.
    Line {
        last: u8,
    },
    LineStart,
    Field(Field),
    /// After the CR of the empty line that ends a head.
    HeadCr,
    /// This much is left of a body whose length is known.
    Length(u64),
    Chunked(Chunked),
}

impl Scanner {
    /// Whether the last message has been read to its end, and nothing of the next.
    pub fn is_between_messages(&self) -> bool {
        self.state == State::Start
    }

    /// How many messages have been read; `None` when a part of one is missing.
    pub(super) fn read(&self) -> Option<u64> {
        self.is_between_messages().then_some(self.begun)
    }

    /// Whether the head of a message has begun and not ended.
    pub(super) fn is_in_head(&self) -> bool {
        matches!(self.state, State::Line { .. } | State::LineStart | State::Field(_) | State::HeadCr)
    }

    /// Whether the head that is being read ends within `bytes`, which come next. They need not be clear.
    pub(super) fn ends_head(mut self, bytes: &[u8]) -> bool {
        let began_before = bytes.iter().take(3).any(|byte| self.scan(&[*byte]).is_err() || !self.is_in_head());
        began_before || memmem::find(bytes, b"\r\n\r\n").is_some()
    }

    /// Reads on. After an error nothing more may be read.
    ///
    /// # Errors
    /// The first byte that makes a message unclear.
    pub fn scan(&mut self, bytes: &[u8]) -> Result<(), Violation> {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            let violation = Err(Violation { at });
            let mut read = 1;
            self.state = match self.state {
                State::Start if byte == b'\r' => State::StartCr,
                State::Start | State::Line { .. } => {
                    self.begun += u64::from(self.is_between_messages());
                    let passed = lines::pass(&bytes[at..], self.last()).map_err(|wrong| wrong.behind(at))?;
                    read = passed.unwrap_or(bytes.len() - at);
                    match passed {
                        // Most heads end here.
                        Some(line) if self.framing.is_none() && bytes[at + line..].starts_with(b"\r\n") => {
                            read += 2;
                            State::Start
                        }
                        Some(_) => State::LineStart,
                        None => State::Line { last: bytes[bytes.len() - 1] },
                    }
                }
                State::LineStart => match Field::begin(byte) {
                    _ if byte == b'\r' => State::HeadCr,
                    _ if byte == b'\n' => return violation,
                    Some(field) => State::Field(field),
                    None => State::Line { last: byte },
                },
                State::Field(field) => match field.step(byte) {
                    Step::Goes(field) => State::Field(field),
                    // The byte may be the line's end.
                    Step::Other => {
                        read = 0;
                        State::Line { last: 0 }
                    }
                    Step::Named(_) if self.framing.is_some() => return violation,
                    Step::Named(field) => State::Field(field),
                    Step::Ended(framing) => {
                        self.framing = Some(framing);
                        State::LineStart
                    }
                    Step::Wrong => return violation,
                },
                State::HeadCr if byte != b'\n' => return violation,
                State::HeadCr => match self.framing.take() {
                    None | Some(Framing::Length(0)) => State::Start,
                    Some(Framing::Length(length)) => State::Length(length),
                    Some(Framing::Chunked) => State::Chunked(Chunked::default()),
                },
                State::Length(left) => {
                    let rest = bytes.len() - at;
                    read = usize::try_from(left).map_or(rest, |left| left.min(rest));
                    match left - read as u64 {
                        0 => State::Start,
                        left => State::Length(left),
                    }
                }
                State::Chunked(mut chunked) => {
                    read = chunked.scan(&bytes[at..]).map_err(|wrong| wrong.behind(at))?;
                    if chunked.has_ended() { State::Start } else { State::Chunked(chunked) }
                }
                State::StartCr if byte != b'\n' => return violation,
                State::StartCr => State::Start,
            };
            at += read;
        }
        Ok(())
    }

    /// The byte that was read last, where that can be the CR before the end of a line.
    fn last(&self) -> u8 {
        if let State::Line { last } = self.state { last } else { 0 }
    }
}

impl Violation {
    /// The same in a larger piece, of which this one begins at `start`.
    fn behind(self, start: usize) -> Self {
        Self { at: start + self.at }
    }
}
