//! A body in chunks (RFC 9112, 7.1).

use super::field::{LONGEST, is_blank};
use super::scanner::Violation;

/// Longest extension of a chunk, in bytes, the first semicolon not counted. Nobody uses any.
const LONGEST_EXTENSION: u16 = 256;
/// Digits of a chunk's size, zeros before it included.
const MOST_DIGITS: u8 = 16;

/// How far a body has been read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Chunked {
    /// Before the first digit of a size.
    #[default]
    Start,
    Size {
        size: u64,
        digits: u8,
    },
    /// White space, which may stand before an extension only.
    Blank {
        size: u64,
    },
    Extension {
        size: u64,
        length: u16,
    },
    SizeCr {
        size: u64,
    },
    Data {
        left: u64,
    },
    /// After a chunk's data.
    DataEnd,
    DataCr,
    /// Before a trailer or the end.
    LineStart,
    TrailerName,
    TrailerValue,
    TrailerCr,
    EndCr,
    End,
}

impl Chunked {
    pub(super) fn has_ended(&self) -> bool {
        *self == Self::End
    }

    /// Reads on up to the end of the body at most, and gives how much that was.
    pub(super) fn scan(&mut self, bytes: &[u8]) -> Result<usize, Violation> {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at)
            && !self.has_ended()
        {
            let rest = (bytes.len() - at) as u64;
            let mut read = 1;
            *self = match *self {
                Self::Data { left } if left > rest => {
                    read = bytes.len() - at;
                    Self::Data { left: left - rest }
                }
                Self::Data { left } => {
                    read = left as usize;
                    Self::DataEnd
                }
                state => state.step(byte).ok_or(Violation { at })?,
            };
            at += read;
        }
        Ok(at)
    }

    /// `None` when `byte` must not stand here.
    fn step(self, byte: u8) -> Option<Self> {
        Some(match (self, byte) {
            (Self::Start, _) => digit(0, 0, byte)?,
            (Self::Size { size, .. }, b'\r') => Self::SizeCr { size },
            (Self::Size { size, .. } | Self::Blank { size }, b';') => Self::Extension { size, length: 0 },
            (Self::Size { size, .. } | Self::Blank { size }, _) if is_blank(byte) => Self::Blank { size },
            (Self::Size { size, digits }, _) => digit(size, digits, byte)?,
            (Self::Extension { size, .. }, b'\r') => Self::SizeCr { size },
            (Self::Extension { size, length }, _) if is_text(byte) && length < LONGEST_EXTENSION => {
                Self::Extension { size, length: length + 1 }
            }
            (Self::SizeCr { size: 0 }, b'\n') => Self::LineStart,
            (Self::SizeCr { size }, b'\n') => Self::Data { left: size },
            (Self::DataEnd, b'\r') => Self::DataCr,
            (Self::DataCr, b'\n') => Self::Start,
            (Self::LineStart, b'\r') => Self::EndCr,
            (Self::LineStart | Self::TrailerName, _) if is_token(byte) => Self::TrailerName,
            (Self::TrailerName, b':') => Self::TrailerValue,
            (Self::TrailerValue, b'\r') => Self::TrailerCr,
            (Self::TrailerValue, _) if is_text(byte) => Self::TrailerValue,
            (Self::TrailerCr, b'\n') => Self::LineStart,
            (Self::EndCr, b'\n') => Self::End,
            _ => return None,
        })
    }
}

fn digit(size: u64, digits: u8, byte: u8) -> Option<Chunked> {
    let digit = char::from(byte).to_digit(16).filter(|_| digits < MOST_DIGITS)?;
    let size = size.checked_mul(16)?.checked_add(u64::from(digit)).filter(|size| *size <= LONGEST)?;
    Some(Chunked::Size { size, digits: digits + 1 })
}

/// What a value may be made of (RFC 9110, 5.5).
fn is_text(byte: u8) -> bool {
    byte == b'\t' || !byte.is_ascii_control()
}

/// What a name may be made of (RFC 9110, 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
