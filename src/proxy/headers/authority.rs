//! What RFC 9113 asks of a request over HTTP/2 beyond what its parser checks, and how it is said in HTTP/1.1.

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue, Method, Uri};

use super::Found;

/// Whether the target of a request has one meaning, over either version (8.3.1; RFC 9112, 3.2): an origin-form path, or
/// `*` for `OPTIONS`; a scheme that this is a proxy for, and not an authority alone. The parser drops the scheme where
/// there is no authority. A user in that makes it no `Host`.
pub fn is_target(method: &Method, uri: &Uri) -> bool {
    let path = uri.path();
    (path.starts_with('/') || (path == "*" && *method == Method::OPTIONS))
        && (uri.authority().is_none() || matches!(uri.scheme_str(), Some("http" | "https")))
}

/// Whether `:authority` and `Host` say the same, if they say something (8.3.1).
pub fn agree(uri: &Uri, found: &Found) -> bool {
    match (uri.authority(), &found.host) {
        (None, None) => false,
        (Some(authority), Some(host)) => host.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes()),
        _ => true,
    }
}

/// Joins the crumbs of a cookie (8.2.3).
pub fn join_cookies(headers: &mut HeaderMap) {
    let mut crumbs = headers.get_all(COOKIE).iter();
    let Some(first) = crumbs.next() else { return };
    let mut all = Vec::new();
    for crumb in crumbs {
        if all.is_empty() {
            all.extend_from_slice(first.as_bytes());
        }
        all.extend_from_slice(b"; ");
        all.extend_from_slice(crumb.as_bytes());
    }
    if let Ok(joined) = HeaderValue::try_from(all)
        && !joined.is_empty()
    {
        headers.insert(COOKIE, joined);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_path_of_a_scheme_that_is_proxied() {
        let is = |method, uri: &'static str| is_target(&method, &Uri::from_static(uri));
        assert!(is(Method::GET, "http://a/") && is(Method::POST, "https://a:8443/b?c"));
        assert!(!is(Method::GET, "ftp://a/") && is(Method::GET, "/"));
        assert!(!is(Method::GET, "a:80") && !is(Method::GET, "a"));
        let star = Uri::builder().scheme("http").authority("a").path_and_query("*").build().unwrap();
        assert!(is_target(&Method::OPTIONS, &star) && !is_target(&Method::GET, &star));
    }

    #[test]
    fn authority_and_host_must_agree() {
        let found = |host: Option<&'static str>| Found { host: host.map(HeaderValue::from_static), ..Found::default() };
        let with = Uri::from_static("http://A.example:80/");
        let without = Uri::from_static("/");
        assert!(agree(&with, &found(None)) && agree(&with, &found(Some("a.example:80"))));
        assert!(agree(&without, &found(Some("a"))));
        assert!(!agree(&without, &found(None)) && !agree(&with, &found(Some("b.example:80"))));
    }

    #[test]
    fn the_crumbs_of_a_cookie_become_one() {
        let mut headers = HeaderMap::new();
        join_cookies(&mut headers);
        assert!(headers.is_empty());
        for crumb in ["a=1", "b=2; c=3", "d=4"] {
            headers.append(COOKIE, HeaderValue::from_static(crumb));
        }
        join_cookies(&mut headers);
        assert_eq!(headers.get_all(COOKIE).iter().collect::<Vec<_>>(), ["a=1; b=2; c=3; d=4"]);
        join_cookies(&mut headers);
        assert_eq!(headers[COOKIE], "a=1; b=2; c=3; d=4");
    }
}
