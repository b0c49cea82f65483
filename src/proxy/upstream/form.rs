//! The form of a request: origin-form with `Host` for HTTP/1.1, pseudo-header fields for HTTP/2 (RFC 9113, 8.3.1).

use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TE, TRANSFER_ENCODING};
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Request, Uri, Version};

use super::super::upload::Upload;

/// Turns a request for HTTP/1.1 into one for HTTP/2. `None`: its `Host` is no authority, and nothing has changed.
pub(in crate::proxy) fn http2(request: &mut Request<Upload>, tls: bool) -> Option<()> {
    let authority = Authority::try_from(request.headers().get(HOST)?.as_bytes()).ok()?;
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    parts.scheme = Some(if tls { Scheme::HTTPS } else { Scheme::HTTP });
    parts.authority = Some(authority);
    *request.uri_mut() = Uri::from_parts(parts).ok()?;
    *request.version_mut() = Version::HTTP_2;
    let headers = request.headers_mut();
    headers.remove(HOST);
    // What belongs to one connection is gone already, but for these two, which we put on ourselves.
    headers.remove(CONNECTION);
    headers.remove(TRANSFER_ENCODING);
    Some(())
}

/// The way back, for one that was not sent. Nothing changes in a request for HTTP/1.1.
pub(in crate::proxy) fn http1(request: &mut Request<Upload>) {
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    let authority = parts.authority.take();
    parts.scheme = None;
    *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
    let Some(authority) = authority else { return };
    *request.version_mut() = Version::HTTP_11;
    let framed = request.headers().contains_key(CONTENT_LENGTH) || !request.body().is_some();
    let headers = request.headers_mut();
    if let Ok(host) = HeaderValue::from_str(authority.as_str()) {
        headers.insert(HOST, host);
    }
    if headers.contains_key(TE) {
        headers.insert(CONNECTION, HeaderValue::from_static("te"));
    }
    if !framed {
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(host: &str, target: &str) -> Request<Upload> {
        let request = Request::builder().uri(target).header(HOST, host).header(TE, "trailers").header(CONNECTION, "te");
        request.header("cookie", "a=1").body(Upload::none()).unwrap()
    }

    #[test]
    fn a_request_goes_there_and_back() {
        for (host, target) in
            [("a.test:80", "/x?y=1"), ("[::1]:80", "/"), ("a.test", "*"), ("a.test", "/a//b%2f/../c;d?")]
        {
            let mut changed = request(host, target);
            http2(&mut changed, true).unwrap();
            assert_eq!(changed.uri().authority().unwrap().as_str(), host);
            assert_eq!(changed.uri().path_and_query().unwrap().as_str(), target);
            assert_eq!((changed.uri().scheme_str(), changed.version()), (Some("https"), Version::HTTP_2));
            assert_eq!(changed.headers().len(), 2, "{:?}", changed.headers());
            http1(&mut changed);
            let before = request(host, target);
            assert_eq!((changed.uri(), changed.version()), (before.uri(), before.version()));
            assert_eq!(changed.headers(), before.headers());
        }
    }

    #[test]
    fn a_host_that_is_no_authority_changes_nothing() {
        let mut wrong = request("a b", "/x");
        assert!(http2(&mut wrong, false).is_none());
        assert_eq!((wrong.uri().path(), wrong.headers().len()), ("/x", 4));
    }
}
