//! From what a key holds to what it means. Pure; takes any bytes and never panics.
//!
//! - `alert`: any text is one. `mark`: what operators and other balancers say.

mod alert;
mod mark;

use std::sync::Arc;

pub(super) use alert::{bounded, encode, owner, value, wrong_type};
pub(super) use mark::{Unreadable, backend, balancer, held, noted};

/// The longest reason that is kept, in characters.
const MAX_REASON: usize = 512;
/// The longest owner, name or id that is kept, in characters.
const MAX_NAME: usize = 128;
/// How many bytes of a value are looked at. What is written here always fits.
pub(super) const MAX_VALUE: usize = 8192;

/// Values that mean: nothing is said. Compared trimmed and without regard to case.
const CLEAR: [&str; 6] = ["", "0", "false", "no", "off", "clear"];

/// The first [`MAX_VALUE`] bytes of a key, as they were answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Raw {
    /// No list. An absent string reads as an empty one.
    Absent,
    Bytes(Vec<u8>),
    /// A list, a hash or the like.
    WrongType,
}

/// Whether a value means that nothing is said. One that was cut off is not known to be blank.
fn is_clear(bytes: &[u8], text: &str) -> bool {
    bytes.len() < MAX_VALUE && CLEAR.iter().any(|clear| text.eq_ignore_ascii_case(clear))
}

fn one_line(text: &str, max: usize) -> String {
    let visible = |c: char| match c {
        c if c.is_whitespace() => ' ',
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    let mut line: String = text.trim().chars().take(max).map(visible).collect();
    line.truncate(line.trim_end().len());
    line
}

/// As [`one_line`]; `None` when nothing is left.
fn some_line(text: &str, max: usize) -> Option<Arc<str>> {
    Some(one_line(text, max)).filter(|line| !line.is_empty()).map(Arc::from)
}
