//! The lines of a head that do not frame its body, which are most.

use memchr::memchr;

use super::field::Field;
use super::scanner::Violation;

/// Passes over the rest of the line in which `bytes` begin, and over whole lines behind it that do not matter. Gives the
/// start of the first that may frame the body or ends the head, or is not there yet; `None` when a line goes on beyond
/// `bytes`. `last` is the byte before them.
pub(super) fn pass(bytes: &[u8], last: u8) -> Result<Option<usize>, Violation> {
    let (mut before, mut start) = (last, 0);
    while let Some(length) = memchr(b'\n', &bytes[start..]) {
        let end = start + length;
        if end > 0 {
            before = bytes[end - 1];
        }
        if before != b'\r' {
            return Err(Violation { at: end });
        }
        start = end + 1;
        if start == bytes.len() || matters(&bytes[start..]) {
            return Ok(Some(start));
        }
    }
    Ok(None)
}

/// Whether a line may frame the body, or ends the head.
fn matters(line: &[u8]) -> bool {
    match line {
        [b'\r' | b'\n', ..] => true,
        [b'c' | b'C' | b't' | b'T', ..] => Field::may_begin(line),
        _ => false,
    }
}
