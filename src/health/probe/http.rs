//! A `GET`, judged by the status of its answer and the beginning of the body.

use bytes::Bytes;
use http::{Request, Response, Version, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;

use super::{Place, ProbeFailure};
use crate::model::StatusRanges;

/// How much of a body is searched for the expected text, in bytes.
const BODY_LIMIT: usize = 64 * 1024;

pub(super) fn request(place: &Place, host: &str, path: &str) -> Result<Request<Full<Bytes>>, ProbeFailure> {
    let request = if place.h2 {
        Request::get(format!("{}{path}", place.origin(host))).version(Version::HTTP_2)
    } else {
        Request::get(path).header(header::HOST, host)
    };
    let request = request.header(header::USER_AGENT, "coalmine-probe");
    let request = if place.h2 { request } else { request.header(header::CONNECTION, "close") };
    request.body(Full::default()).map_err(ProbeFailure::Request)
}

pub(super) async fn judge(
    expect_status: &StatusRanges,
    expect_body: &str,
    response: Response<Incoming>,
) -> Result<(), ProbeFailure> {
    if !expect_status.contains(response.status()) {
        return Err(ProbeFailure::Status(response.status()));
    }
    let text = expect_body.as_bytes();
    if text.is_empty() {
        return Ok(());
    }
    let mut body = response.into_body();
    let mut seen = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(ProbeFailure::Body)?;
        let Some(data) = frame.data_ref() else { continue };
        // The text may have begun in the part before.
        let fresh = seen.len().saturating_sub(text.len() - 1);
        seen.extend_from_slice(&data[..data.len().min(BODY_LIMIT - seen.len())]);
        if seen[fresh..].windows(text.len()).any(|window| window == text) {
            return Ok(());
        }
        if seen.len() == BODY_LIMIT {
            break;
        }
    }
    Err(ProbeFailure::BodyText(expect_body.to_owned()))
}
