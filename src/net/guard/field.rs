//! The two fields that say where a body ends.

const CONTENT_LENGTH: &[u8] = b"content-length";
const TRANSFER_ENCODING: &[u8] = b"transfer-encoding";
const CHUNKED: &[u8] = b"chunked";
/// No body is longer, in bytes.
pub(super) const LONGEST: u64 = i64::MAX as u64;

/// What a head says of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Length(u64),
    Chunked,
}

/// How far such a field, or one that begins like it, has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Name {
        which: Which,
        read: usize,
    },
    /// Before the value.
    Blank {
        which: Which,
    },
    /// Digits only, one value, no list (RFC 9110, 8.6).
    Digits {
        value: u64,
    },
    /// One coding alone: any other would have to be undone to know the body (RFC 9112, 6.1).
    Coding {
        read: usize,
    },
    /// Behind the value.
    Trail {
        framing: Framing,
    },
    /// After the CR.
    Cr {
        framing: Framing,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    ContentLength,
    TransferEncoding,
}

/// What one more byte does.
pub(super) enum Step {
    Goes(Field),
    /// The name is complete.
    Named(Field),
    /// The line is over.
    Ended(Framing),
    /// The name is another one.
    Other,
    Wrong,
}

impl Field {
    /// Whether a line may turn out to be such a field. Said of one that is cut off, too.
    pub(super) fn may_begin(line: &[u8]) -> bool {
        match line {
            [b'c' | b'C', _, _, _, _, _, _, _, ninth, ..] => ninth.eq_ignore_ascii_case(&CONTENT_LENGTH[8]),
            [b't' | b'T', _, _, _, _, _, _, _, ninth, ..] => ninth.eq_ignore_ascii_case(&TRANSFER_ENCODING[8]),
            [b'c' | b'C' | b't' | b'T', ..] => true,
            _ => false,
        }
    }

    /// `byte` is the first one of a line.
    pub(super) fn begin(byte: u8) -> Option<Self> {
        let which = match byte {
            b'c' | b'C' => Which::ContentLength,
            b't' | b'T' => Which::TransferEncoding,
            _ => return None,
        };
        Some(Self::Name { which, read: 1 })
    }

    pub(super) fn step(self, byte: u8) -> Step {
        match self {
            Self::Name { which, read } => match which.name().get(read) {
                None if byte == b':' => Step::Named(Self::Blank { which }),
                Some(letter) if byte.eq_ignore_ascii_case(letter) => Step::Goes(Self::Name { which, read: read + 1 }),
                None | Some(_) => Step::Other,
            },
            Self::Blank { .. } if is_blank(byte) => Step::Goes(self),
            Self::Blank { which: Which::ContentLength } => digit(0, byte),
            Self::Blank { which: Which::TransferEncoding } => letter(0, byte),
            Self::Digits { value } if is_blank(byte) || byte == b'\r' => trail(Framing::Length(value), byte),
            Self::Digits { value } => digit(value, byte),
            Self::Coding { read } if read < CHUNKED.len() => letter(read, byte),
            Self::Coding { .. } => trail(Framing::Chunked, byte),
            Self::Trail { framing } => trail(framing, byte),
            Self::Cr { framing } if byte == b'\n' => Step::Ended(framing),
            Self::Cr { .. } => Step::Wrong,
        }
    }
}

impl Which {
    fn name(self) -> &'static [u8] {
        match self {
            Self::ContentLength => CONTENT_LENGTH,
            Self::TransferEncoding => TRANSFER_ENCODING,
        }
    }
}

fn digit(value: u64, byte: u8) -> Step {
    let digit = char::from(byte).to_digit(10).map(u64::from);
    let longer = digit.and_then(|digit| value.checked_mul(10)?.checked_add(digit)).filter(|value| *value <= LONGEST);
    longer.map_or(Step::Wrong, |value| Step::Goes(Field::Digits { value }))
}

fn letter(read: usize, byte: u8) -> Step {
    let fits = CHUNKED[read].eq_ignore_ascii_case(&byte);
    if fits { Step::Goes(Field::Coding { read: read + 1 }) } else { Step::Wrong }
}

fn trail(framing: Framing, byte: u8) -> Step {
    match byte {
        b' ' | b'\t' => Step::Goes(Field::Trail { framing }),
        b'\r' => Step::Goes(Field::Cr { framing }),
        _ => Step::Wrong,
    }
}

pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}
