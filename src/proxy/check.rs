//! What a request's head has to be before anything else is asked about it.

use http::header::HOST;
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Request, Uri, Version};

use super::headers::{Found, agree, is_target, join_cookies};
use super::refusal::Refusal;
use crate::model::LimitSettings;

/// The version and the spaces of a request's first line.
const AROUND_TARGET: usize = " ".len() + " HTTP/1.1".len();

/// Refuses what is too large, has no one meaning or is not for a gateway, and turns an absolute-form target, or that of
/// HTTP/2, into `Host` and origin-form (RFC 9112, 3.2; RFC 9113, 8.3.1). `found` is what was found in the request's fields.
///
/// # Errors
/// Why it is refused.
pub(super) fn head<B>(limits: &LimitSettings, request: &mut Request<B>, found: &mut Found) -> Result<(), Refusal> {
    if request.headers().len() > limits.headers as usize || found.bytes > limits.header_bytes as usize {
        return Err(Refusal::Headers);
    }
    if line(request.method(), request.uri()) > limits.request_line as usize {
        return Err(Refusal::RequestLine);
    }
    // A forward proxy has use for the one, and who looks for holes for the other.
    if matches!(*request.method(), Method::CONNECT | Method::TRACE) {
        return Err(Refusal::Method);
    }
    if !is_target(request.method(), request.uri()) {
        return Err(Refusal::Target);
    }
    if request.version() == Version::HTTP_2 {
        if found.hosts > 1 || !agree(request.uri(), found) {
            return Err(Refusal::Host);
        }
        join_cookies(request.headers_mut());
    } else if found.hosts > 1 || (found.hosts == 0 && request.version() >= Version::HTTP_11) {
        return Err(Refusal::Host);
    }
    if let Some(authority) = request.uri().authority() {
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| Refusal::Host)?;
        let path = request.uri().path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        *request.uri_mut() = Uri::from(path);
        request.headers_mut().insert(HOST, host.clone());
        found.host = Some(host);
    }
    Ok(())
}

/// Bytes of a request's first line, without its end.
fn line(method: &Method, uri: &Uri) -> usize {
    let path = uri.path_and_query().map_or(0, |path| path.as_str().len());
    let before = uri.authority().map_or(0, |authority| authority.as_str().len() + "https://".len());
    method.as_str().len() + before + path + AROUND_TARGET
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;
    use crate::model::RateSpec;
    use crate::proxy::headers::scan;

    const LIMITS: LimitSettings = LimitSettings {
        max_connections: 0,
        max_requests: 0,
        listener_connections: 0,
        client_connections: 0,
        headers: 3,
        header_bytes: 60,
        request_line: 40,
        body_rate: 0,
        streams: 0,
        rate: RateSpec { requests: 0, burst: 0 },
    };

    fn checked(method: &str, target: &str, fields: &[(&str, &str)]) -> Result<Request<()>, Refusal> {
        let mut request = Request::builder().method(method).uri(target).body(()).unwrap();
        for (name, value) in fields {
            request.headers_mut().append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        let mut found = scan(request.headers());
        head(&LIMITS, &mut request, &mut found)?;
        Ok(request)
    }

    const HOST_A: (&str, &str) = ("host", "a");

    #[test]
    fn a_request_with_one_host_passes_as_it_is() {
        let request = checked("GET", "/a//b/../c%2Fd?x=/../y", &[HOST_A]).unwrap();
        assert_eq!(request.uri(), "/a//b/../c%2Fd?x=/../y");
    }

    #[test]
    fn a_missing_or_second_host_is_refused() {
        assert_eq!(checked("GET", "/", &[]).unwrap_err(), Refusal::Host);
        assert_eq!(checked("GET", "/", &[HOST_A, HOST_A]).unwrap_err(), Refusal::Host);
    }

    #[test]
    fn an_absolute_target_wins_over_host() {
        let request = checked("GET", "http://b:81/x?y", &[HOST_A]).unwrap();
        assert_eq!((request.uri().to_string().as_str(), &request.headers()[HOST]), ("/x?y", &"b:81".parse().unwrap()));
        assert_eq!(checked("GET", "http://b", &[HOST_A]).unwrap().uri(), "/");
    }

    #[test]
    fn a_target_is_a_path_or_a_whole_address() {
        for target in ["a", "a:80", "user@a:80", "ftp://a/", "*"] {
            assert_eq!(checked("GET", target, &[HOST_A]).unwrap_err(), Refusal::Target, "{target}");
        }
        assert_eq!(checked("OPTIONS", "*", &[HOST_A]).unwrap().uri(), "*");
    }

    #[test]
    fn connect_and_trace_are_not_for_a_gateway() {
        assert_eq!(checked("CONNECT", "a:80", &[HOST_A]).unwrap_err(), Refusal::Method);
        assert_eq!(checked("TRACE", "/", &[HOST_A]).unwrap_err(), Refusal::Method);
        assert!(checked("PURGE", "/", &[HOST_A]).is_ok());
    }

    #[test]
    fn fields_are_limited_in_number_and_size() {
        assert!(checked("GET", "/", &[HOST_A, ("a", "1"), ("b", "2")]).is_ok());
        assert_eq!(checked("GET", "/", &[HOST_A, ("a", "1"), ("b", "2"), ("b", "3")]).unwrap_err(), Refusal::Headers);
        // Each field has four more bytes on the wire: 9 for the host, and 5 for the other.
        assert!(checked("GET", "/", &[HOST_A, ("a", &"x".repeat(46))]).is_ok());
        assert_eq!(checked("GET", "/", &[HOST_A, ("a", &"x".repeat(47))]).unwrap_err(), Refusal::Headers);
    }

    #[test]
    fn the_first_line_is_limited() {
        assert!(checked("GET", &format!("/{}", "x".repeat(26)), &[HOST_A]).is_ok());
        assert_eq!(checked("GET", &format!("/{}", "x".repeat(27)), &[HOST_A]).unwrap_err(), Refusal::RequestLine);
        assert_eq!(checked("GET", &format!("http://{}/", "b".repeat(30)), &[]).unwrap_err(), Refusal::RequestLine);
    }
}
