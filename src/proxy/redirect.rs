//! The way from plain text to TLS: `listen.redirect_https`.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderValue, Response, StatusCode, Uri};

use super::headers::{Found, Sender};
use super::refusal::Refusal;
use super::reply::Reply;
use crate::table::host_name;

/// Authorities ask for these on plain text (RFC 8555, 8.3).
const CHALLENGES: &str = "/.well-known/acme-challenge/";

/// The answer to a request that should have come over TLS: 308, to the same place at `port` (RFC 9110, 15.4.9). `None`:
/// it is served where it is.
///
/// # Errors
/// It names no host.
pub(super) fn to_tls(
    port: u16,
    uri: &Uri,
    headers: &HeaderMap,
    found: &Found,
    sender: &Sender,
) -> Option<Result<Response<Reply>, Refusal>> {
    if sender.comes_over_tls(headers) || uri.path().starts_with(CHALLENGES) {
        return None;
    }
    let host = found.host.as_ref().and_then(|host| host_name(host.to_str().ok()?));
    let Some(location) = host.and_then(|host| location(host, port, uri)) else {
        return Some(Err(Refusal::Host));
    };
    let mut response = Response::new(Reply::text(Bytes::from_static(b"308 permanent redirect: https\n")));
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    response.headers_mut().insert(LOCATION, location);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    Some(Ok(response))
}

/// `host` is without brackets and port.
fn location(host: &str, port: u16, uri: &Uri) -> Option<HeaderValue> {
    let mut text = String::from("https://");
    match host.contains(':') {
        true => text.extend(["[", host, "]"]),
        false => text.push_str(host),
    }
    if port != 443 {
        text.extend([":", &port.to_string()]);
    }
    // The target of `OPTIONS *` is the server as a whole.
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    text.push_str(if path == "*" { "" } else { path });
    HeaderValue::from_bytes(text.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_place_is_named_over_tls() {
        for (host, port, target, expected) in [
            ("a.test", 443, "/", "https://a.test/"),
            ("a.test", 8443, "/b//c%2f?d=e&f", "https://a.test:8443/b//c%2f?d=e&f"),
            ("::1", 443, "/", "https://[::1]/"),
            ("10.0.0.1", 443, "*", "https://10.0.0.1"),
        ] {
            assert_eq!(location(host, port, &target.parse().unwrap()).unwrap(), expected);
        }
    }
}
