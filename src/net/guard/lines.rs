//! The lines of a head that do not frame its body, which are most.

use memchr::memchr_iter;

use super::field::Field;
use super::scanner::Violation;

/// Passes over the rest of the line in which `bytes` begin, and over whole lines behind it that do not matter. Gives the
/// start of the first that may frame the body or ends the head, or is not there yet; `None` when a line goes on beyond
/// `bytes`. `last` is the byte before them.
pub(super) fn pass(bytes: &[u8], last: u8) -> Result<Option<usize>, Violation> {
    let mut start = 0;
    for end in memchr_iter(b'\n', bytes) {
        let before = if end > 0 { bytes[end - 1] } else { last };
        if before != b'\r' {
            return Err(Violation { at: end });
        }
        start = end + 1;
        if matters(&bytes[start..]) {
            return Ok(Some(start));
        }
    }
    Ok((start == bytes.len()).then_some(start))
}

/// Whether a line may frame the body, or ends the head.
fn matters(line: &[u8]) -> bool {
    match line.first() {
        Some(b'\r' | b'\n') => true,
        Some(b'c' | b'C' | b't' | b'T') => Field::may_begin(line),
        _ => false,
    }
}
