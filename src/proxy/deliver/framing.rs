//! Whether everybody reads the same end of a backend's answer from its head.

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, Response, Version};

/// False for a head that leaves it open where its body ends, even if the parser has made up its mind: it must not be
/// passed on, and what follows on the connection is not the next answer (RFC 9112, 6.3).
///
/// The one coding is `chunked`: any other would be lost on the way, because the field goes from hop to hop.
pub(super) fn is_clear<B>(response: &Response<B>) -> bool {
    let headers = response.headers();
    match one(headers, TRANSFER_ENCODING) {
        Fields::None => match one(headers, CONTENT_LENGTH) {
            Fields::None => true,
            Fields::One(length) => !length.is_empty() && length.iter().all(u8::is_ascii_digit),
            Fields::More => false,
        },
        Fields::One(coding) => {
            coding.eq_ignore_ascii_case(b"chunked")
                && response.version() == Version::HTTP_11
                && !headers.contains_key(CONTENT_LENGTH)
        }
        Fields::More => false,
    }
}

enum Fields<'a> {
    None,
    One(&'a [u8]),
    More,
}

fn one(headers: &HeaderMap, name: http::HeaderName) -> Fields<'_> {
    let mut values = headers.get_all(name).into_iter();
    match (values.next(), values.next()) {
        (None, _) => Fields::None,
        (Some(value), None) => Fields::One(value.as_bytes()),
        (Some(_), Some(_)) => Fields::More,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clear(version: Version, fields: &[(&str, &str)]) -> bool {
        let builder = Response::builder().version(version);
        is_clear(&fields.iter().fold(builder, |builder, (name, value)| builder.header(*name, *value)).body(()).unwrap())
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
