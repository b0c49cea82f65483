//! The cookies of a request (RFC 6265, 4.2.1).

use http::HeaderMap;
use http::header::COOKIE;

/// The values of all cookies of this name, as they came.
pub(super) fn named<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    let pairs = headers.get_all(COOKIE).iter().flat_map(|field| field.as_bytes().split(|b| *b == b';'));
    pairs.filter_map(move |pair| {
        let equals = pair.iter().position(|b| *b == b'=')?;
        (pair[..equals].trim_ascii() == name.as_bytes()).then(|| pair[equals + 1..].trim_ascii())
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn values(fields: &[&[u8]], name: &str) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(COOKIE, HeaderValue::from_bytes(field).unwrap());
        }
        named(&headers, name).map(|value| String::from_utf8_lossy(value).into_owned()).collect()
    }

    #[test]
    fn a_cookie_is_found_by_its_whole_name_wherever_it_stands() {
        assert_eq!(values(&[b"a=1; b=2;c=3"], "b"), ["2"]);
        assert_eq!(values(&[b"a=1;b=2;c=3"], "c"), ["3"]);
        assert_eq!(values(&[b"a=1", b"b=2; a=3"], "a"), ["1", "3"]);
        assert_eq!(values(&[b"ab=1; ba=2; A=3"], "a"), [""; 0]);
        assert_eq!(values(&[b"a=x=y"], "a"), ["x=y"]);
    }

    #[test]
    fn what_is_no_cookie_is_passed_over() {
        assert_eq!(values(&[b"", b";;", b"a", b"=a", b"\xff=\xfe; a=1"], "a"), ["1"]);
    }
}
