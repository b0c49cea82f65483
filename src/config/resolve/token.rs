//! Names of header fields and cookies, and what a cookie can carry.

use http::HeaderName;

use crate::config::key::Key;
use crate::config::problem::Problems;

/// Bytes of a name; longer ones are cut or refused on the way.
const LONGEST: usize = 128;

/// The name of a header field; `Some(None)` when none is written.
pub(super) fn header(problems: &mut Problems<'_>, key: &Key, text: &str) -> Option<Option<HeaderName>> {
    if text.is_empty() {
        return Some(None);
    }
    match parse(text) {
        Some(name) => Some(Some(name)),
        None => problems.refuse(key, text, "not a name of a header field", "write a name such as \"x-canary\""),
    }
}

/// The name of a cookie, whose case counts.
pub(super) fn token(problems: &mut Problems<'_>, key: &Key, text: &str) -> Option<String> {
    match parse(text) {
        Some(_) => Some(text.to_owned()),
        None => {
            let remedy = format!("write 1 to {LONGEST} letters, digits or - _ ., such as \"canary\"");
            problems.refuse(key, text, "not a name of a cookie", remedy)
        }
    }
}

/// Whether a cookie can have this value as it stands (RFC 6265, `cookie-octet`).
pub(super) fn is_cookie_value(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b',' | b';' | b'\\'))
}

/// Names of fields and of cookies are the same kind of word, a `token`.
fn parse(text: &str) -> Option<HeaderName> {
    HeaderName::from_bytes(text.as_bytes()).ok().filter(|_| text.len() <= LONGEST)
}
