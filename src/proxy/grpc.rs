//! What gRPC says inside of HTTP/2: its status, its deadline, and a refusal that its clients understand.
//!
//! A backend's `grpc-status` counts as its outcome, as an HTTP status does: UNKNOWN, INTERNAL, UNAVAILABLE and DATA_LOSS
//! speak against it. What the client brought about passes, DEADLINE_EXCEEDED among it, because the client chose the
//! deadline; so does UNIMPLEMENTED, as 501 does.

use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// A gRPC status code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Code(u8);

impl Code {
    pub(super) const UNKNOWN: Self = Self(2);
    pub(super) const DEADLINE_EXCEEDED: Self = Self(4);
    pub(super) const RESOURCE_EXHAUSTED: Self = Self(8);
    pub(super) const UNIMPLEMENTED: Self = Self(12);
    pub(super) const INTERNAL: Self = Self(13);
    pub(super) const UNAVAILABLE: Self = Self(14);
    const DATA_LOSS: Self = Self(15);

    /// Whether it says that the backend works.
    fn is_pass(self) -> bool {
        ![Self::UNKNOWN, Self::INTERNAL, Self::UNAVAILABLE, Self::DATA_LOSS].contains(&self)
    }
}

/// What stands for an HTTP status, as gRPC's own mapping says; a body that is too large exhausts a resource.
impl From<StatusCode> for Code {
    fn from(status: StatusCode) -> Self {
        match status {
            StatusCode::BAD_REQUEST | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => Self::INTERNAL,
            StatusCode::UNAUTHORIZED => Self(16),
            StatusCode::FORBIDDEN => Self(7),
            StatusCode::NOT_FOUND => Self::UNIMPLEMENTED,
            StatusCode::PAYLOAD_TOO_LARGE => Self::RESOURCE_EXHAUSTED,
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => Self::UNAVAILABLE,
            _ => Self::UNKNOWN,
        }
    }
}

/// Whether a message with this content type is of gRPC; `application/grpc-web` is not.
pub(super) fn is_content_type(value: &HeaderValue) -> bool {
    let rest = value.as_bytes().strip_prefix(b"application/grpc");
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

/// Whether the status in these headers or trailers, if there is one, says that the backend works.
pub(super) fn passes(fields: &HeaderMap) -> bool {
    let code = fields.get(GRPC_STATUS).map(|value| str::from_utf8(value.as_bytes()).ok()?.parse().ok());
    code.is_none_or(|code| code.map_or(Code::UNKNOWN, Code).is_pass())
}

/// How long the client waits for the whole call: up to eight digits and a unit.
pub(super) fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let (unit, digits) = headers.get(GRPC_TIMEOUT)?.as_bytes().split_last()?;
    if digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number: u64 = str::from_utf8(digits).ok()?.parse().ok()?;
    match unit {
        b'H' => Some(Duration::from_secs(number * 3600)),
        b'M' => Some(Duration::from_secs(number * 60)),
        b'S' => Some(Duration::from_secs(number)),
        b'm' => Some(Duration::from_millis(number)),
        b'u' => Some(Duration::from_micros(number)),
        b'n' => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

/// An answer without a message: all of it in the headers ("Trailers-Only"). `text` is plain ASCII on one line.
pub(super) fn refusal<B>(code: Code, text: &'static str, body: B) -> Response<B> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(GRPC_STATUS, HeaderValue::from(u16::from(code.0)));
    headers.insert(GRPC_MESSAGE, HeaderValue::from_static(text));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(name: &'static str, value: &'static str) -> HeaderMap {
        [(HeaderName::from_static(name), HeaderValue::from_static(value))].into_iter().collect()
    }

    #[test]
    fn only_what_the_backend_did_speaks_against_it() {
        for code in ["0", "1", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "16"] {
            assert!(passes(&fields("grpc-status", code)), "{code}");
        }
        for code in ["2", "13", "14", "15", "", "x", "-1", "300"] {
            assert!(!passes(&fields("grpc-status", code)), "{code}");
        }
        assert!(passes(&HeaderMap::new()));
    }

    #[test]
    fn a_deadline_is_a_number_and_a_unit() {
        let read = |value| timeout(&fields("grpc-timeout", value));
        for (value, expected) in [
            ("1H", Duration::from_secs(3600)),
            ("2M", Duration::from_secs(120)),
            ("10S", Duration::from_secs(10)),
            ("250m", Duration::from_millis(250)),
            ("99999999u", Duration::from_micros(99_999_999)),
            ("0n", Duration::ZERO),
        ] {
            assert_eq!(read(value), Some(expected), "{value}");
        }
        for value in ["", "S", "1", "1s", "123456789S", "-1S", "+1S", "1.5S", " 1S"] {
            assert_eq!(read(value), None, "{value}");
        }
        assert_eq!(timeout(&HeaderMap::new()), None);
    }

    #[test]
    fn a_content_type_is_of_grpc_with_any_encoding_of_messages() {
        let is = |value| is_content_type(&HeaderValue::from_static(value));
        assert!(is("application/grpc") && is("application/grpc+proto") && is("application/grpc;x=y"));
        assert!(!is("application/grpc-web") && !is("application/json") && !is(""));
    }

    #[test]
    fn an_http_status_has_its_code() {
        for (status, code) in [(400, 13), (404, 12), (413, 8), (429, 14), (502, 14), (503, 14), (504, 14), (405, 2)] {
            assert_eq!(Code::from(StatusCode::from_u16(status).unwrap()), Code(code), "{status}");
        }
    }
}
