//! The standard health service, `grpc.health.v1.Health/Check`.
//!
//! Its two messages have one field each and are written and read by hand: a request is field 1, a string; an answer is
//! field 1, a varint.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, Version, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;

use super::{Place, ProbeFailure};

const PATH: &str = "/grpc.health.v1.Health/Check";
const SERVING: u64 = 1;
/// Longest answer that is read, in bytes; a health answer has 7.
const LIMIT: usize = 4 * 1024;
/// A flag for compression and a length stand before each message.
const PREFIX: usize = 5;

pub(super) fn request(
    place: &Place,
    host: &str,
    service: &str,
    timeout: Duration,
) -> Result<Request<Full<Bytes>>, ProbeFailure> {
    Request::post(format!("{}{PATH}", place.origin(host)))
        .version(Version::HTTP_2)
        .header(header::CONTENT_TYPE, "application/grpc")
        .header(header::TE, "trailers")
        .header(header::USER_AGENT, "coalmine-probe")
        .header("grpc-timeout", format!("{}m", timeout.as_millis().clamp(1, 99_999_999)))
        .body(Full::new(message(service).into()))
        .map_err(ProbeFailure::Request)
}

pub(super) async fn judge(response: Response<Incoming>) -> Result<(), ProbeFailure> {
    if response.status() != StatusCode::OK {
        return Err(ProbeFailure::Status(response.status()));
    }
    let kind = response.headers().get(header::CONTENT_TYPE).map_or(&b""[..], |kind| kind.as_bytes());
    if !kind.starts_with(b"application/grpc") {
        return Err(ProbeFailure::NotGrpc);
    }
    // An answer that is trailers alone has its status among the fields of the head.
    let early = status(response.headers());
    let body = Limited::new(response.into_body(), LIMIT).collect().await;
    let body = body.map_err(|error| {
        error.downcast::<hyper::Error>().map_or(ProbeFailure::NotGrpc, |it| ProbeFailure::Body(*it))
    })?;
    let code = body.trailers().and_then(status).or(early).ok_or(ProbeFailure::NotGrpc)?;
    if code != 0 {
        return Err(ProbeFailure::GrpcStatus(code));
    }
    match health(&body.to_bytes()) {
        Some(SERVING) => Ok(()),
        Some(0) => Err(ProbeFailure::GrpcHealth("UNKNOWN")),
        Some(2) => Err(ProbeFailure::GrpcHealth("NOT_SERVING")),
        Some(3) => Err(ProbeFailure::GrpcHealth("SERVICE_UNKNOWN")),
        Some(_) | None => Err(ProbeFailure::NotGrpc),
    }
}

fn status(fields: &HeaderMap) -> Option<u32> {
    fields.get("grpc-status")?.to_str().ok()?.parse().ok()
}

/// `service` is at most 255 bytes.
fn message(service: &str) -> Vec<u8> {
    let mut field = Vec::new();
    if !service.is_empty() {
        field.push(0x0a);
        let length = service.len();
        if length < 0x80 {
            field.push(u8::try_from(length).unwrap_or_default());
        } else {
            field.extend([(length & 0x7f) as u8 | 0x80, (length >> 7) as u8]);
        }
        field.extend_from_slice(service.as_bytes());
    }
    let mut message = vec![0];
    message.extend(u32::try_from(field.len()).unwrap_or_default().to_be_bytes());
    message.extend(field);
    message
}

/// The one field of an answer; 0 when it is left out, as protobuf does with what is 0. `None`: it is no such answer.
fn health(message: &[u8]) -> Option<u64> {
    let (prefix, field) = message.split_at_checked(PREFIX)?;
    let length = u32::from_be_bytes(prefix[1..].try_into().ok()?);
    if prefix[0] != 0 || usize::try_from(length) != Ok(field.len()) {
        return None;
    }
    match field {
        [] => Some(0),
        [0x08, value] if *value < 0x80 => Some(u64::from(*value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_a_message_with_the_name_of_the_service() {
        assert_eq!(message(""), [0, 0, 0, 0, 0]);
        assert_eq!(message("ab"), [0, 0, 0, 0, 4, 0x0a, 2, b'a', b'b']);
        let long = message(&"x".repeat(200));
        assert_eq!((&long[..8], long.len()), (&[0, 0, 0, 0, 203, 0x0a, 0xc8, 0x01][..], 208));
    }

    #[test]
    fn an_answer_is_its_one_field() {
        assert_eq!(health(&[0, 0, 0, 0, 2, 0x08, 1]), Some(SERVING));
        assert_eq!(health(&[0, 0, 0, 0, 2, 0x08, 2]), Some(2));
        assert_eq!(health(&[0, 0, 0, 0, 0]), Some(0));
        for wrong in
            [&[][..], &[0, 0, 0, 0], &[1, 0, 0, 0, 2, 0x08, 1], &[0, 0, 0, 0, 3, 0x08, 1], &[0, 0, 0, 0, 2, 8, 0xff]]
        {
            assert_eq!(health(wrong), None, "{wrong:?}");
        }
    }
}
