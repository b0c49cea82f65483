//! Whether everybody reads the same end of a backend's answer from its head.

use http::{HeaderValue, Version};

/// What the fields of a message say of where its body ends.
#[derive(Clone, Copy, Debug, Default)]
pub struct Framing {
    words: usize,
    coded: bool,
    wrong: bool,
}

impl Framing {
    /// There is `Content-Length`.
    pub(super) fn length(&mut self, value: &HeaderValue) {
        self.words += 1;
        self.wrong |= value.is_empty() || !value.as_bytes().iter().all(u8::is_ascii_digit);
    }

    /// There is `Transfer-Encoding`. The one coding is `chunked`: any other would be lost on the way, because the field
    /// goes from hop to hop.
    pub(super) fn coding(&mut self, value: &HeaderValue) {
        self.words += 1;
        self.coded = true;
        self.wrong |= !value.as_bytes().eq_ignore_ascii_case(b"chunked");
    }

    /// False for the head of an answer in `version` that leaves it open where its body ends, even if the parser has made
    /// up its mind: it must not be passed on, and what follows on the connection is not the next answer (RFC 9112, 6.3).
    pub fn is_clear(self, version: Version) -> bool {
        self.words <= 1 && !self.wrong && (!self.coded || version == Version::HTTP_11)
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName};

    use super::super::scan;
    use super::*;

    fn clear(version: Version, fields: &[(&str, &str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        scan(&headers).framing.is_clear(version)
    }

    #[test]
    fn one_length_or_chunks_or_neither_is_clear() {
        for fields in [&[][..], &[("content-length", "0")], &[("transfer-encoding", "Chunked")]] {
            assert!(clear(Version::HTTP_11, fields), "{fields:?}");
        }
        assert!(clear(Version::HTTP_10, &[("content-length", "7")]));
    }

    #[test]
    fn two_words_about_the_end_are_not() {
        for fields in [
            &[("content-length", "3"), ("transfer-encoding", "chunked")][..],
            &[("content-length", "3"), ("content-length", "4")],
            &[("content-length", "3"), ("content-length", "3")],
            &[("content-length", "3, 3")],
            &[("content-length", "+3")],
            &[("content-length", "")],
            &[("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")],
            &[("transfer-encoding", "gzip, chunked")],
            &[("transfer-encoding", "chunked, gzip")],
            &[("transfer-encoding", "identity")],
            &[("transfer-encoding", "")],
        ] {
            assert!(!clear(Version::HTTP_11, fields), "{fields:?}");
        }
        assert!(!clear(Version::HTTP_10, &[("transfer-encoding", "chunked")]));
    }
}
