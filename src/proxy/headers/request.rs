//! A request on its way to a backend.

use std::net::IpAddr;

use http::header::{CONNECTION, TE, VIA};
use http::{HeaderMap, HeaderValue, Version};
use ipnet::IpNet;

use super::hop::{self, Found};
use super::{FORWARDED, X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO, X_REAL_IP};
use crate::model::Scheme;

/// Who sent the requests of a connection, worked out once for all of them.
#[derive(Clone, Debug)]
pub struct Sender {
    address: HeaderValue,
    /// Whether what it says about who sent it the request is believed.
    trusted: bool,
    scheme: HeaderValue,
}

impl Sender {
    pub fn new(address: IpAddr, scheme: Scheme, trusted_proxies: &[IpNet]) -> Self {
        let address = address.to_canonical();
        let trusted = trusted_proxies.iter().any(|network| network.contains(&address));
        let address = HeaderValue::try_from(address.to_string()).expect("an address is a valid field value");
        Self { address, trusted, scheme: HeaderValue::from_static(scheme.as_str()) }
    }

    /// Whether the client has come over TLS: on this connection, or to the trusted proxy that says so.
    pub fn comes_over_tls(&self, headers: &HeaderMap) -> bool {
        let says_so = || headers.get(X_FORWARDED_PROTO).is_some_and(|proto| proto == Scheme::Https.as_str());
        self.scheme == Scheme::Https.as_str() || (self.trusted && says_so())
    }
}

/// Where a request came from, for whoever it is sent to: put on each time that it is sent, so that what is kept of it
/// to be sent again is only what came.
#[derive(Debug)]
pub struct Origin {
    /// Its `Host`, if it came with one.
    host: Option<HeaderValue>,
    /// It says itself where it came from, and is believed.
    told: bool,
    /// The version that it came with, for `Via`.
    received: Version,
}

impl Origin {
    pub fn is_named(&self) -> bool {
        self.host.is_some()
    }
}

/// Takes off a request what is not for the next hop. `found` is what [`scan`](super::scan) found in `headers`, `received`
/// the version that the request came with. What was found of the host is taken.
///
/// `Host` stays as it is. `X-Forwarded-For`, `-Proto`, `-Host`, `X-Real-IP` and `Forwarded` of a sender that is not
/// trusted are dropped. `TE: trailers` is renewed for the next hop (RFC 9110, 10.1.4). Fields such as `X_Forwarded_For`
/// are dropped whoever sent them.
pub fn forward_request(headers: &mut HeaderMap, found: &mut Found, received: Version, sender: &Sender) -> Origin {
    let trailers = found.te && accepts_trailers(headers);
    hop::strip(headers, found);
    if found.twins {
        hop::strip_twins(headers);
    }
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(CONNECTION, HeaderValue::from_static("te"));
    }

    if found.forwarded && !sender.trusted {
        for name in [X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO, X_REAL_IP, FORWARDED] {
            headers.remove(name);
        }
    }
    Origin { host: found.host.take(), told: found.forwarded && sender.trusted, received }
}

/// Puts on a request where it came from. What a trusted sender said of that is kept, and its address is added to
/// `X-Forwarded-For`.
#[inline]
pub fn introduce(headers: &mut HeaderMap, origin: &Origin, sender: &Sender, via: bool) {
    let kept = |headers: &HeaderMap, name| origin.told && headers.contains_key(name);
    let chain =
        if kept(headers, X_FORWARDED_FOR) { appended(headers, &sender.address) } else { sender.address.clone() };
    headers.insert(X_FORWARDED_FOR, chain);
    if !kept(headers, X_FORWARDED_PROTO) {
        headers.insert(X_FORWARDED_PROTO, sender.scheme.clone());
    }
    if !kept(headers, X_FORWARDED_HOST)
        && let Some(host) = &origin.host
    {
        headers.insert(X_FORWARDED_HOST, host.clone());
    }
    if via {
        headers.append(VIA, via_value(origin.received));
    }
}

/// `Via` with the version in which the message was received (RFC 9110, 7.6.3).
pub(super) fn via_value(received: Version) -> HeaderValue {
    // Checked by the compiler, and not for each message.
    match received {
        Version::HTTP_10 => const { HeaderValue::from_static("1.0 coalmine") },
        Version::HTTP_2 => const { HeaderValue::from_static("2 coalmine") },
        _ => const { HeaderValue::from_static("1.1 coalmine") },
    }
}

fn accepts_trailers(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(TE).iter().flat_map(|value| value.as_bytes().split(|b| *b == b','));
    codings.any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"))
}

/// Every `X-Forwarded-For` in one line, and `address` after it.
fn appended(headers: &HeaderMap, address: &HeaderValue) -> HeaderValue {
    let mut chain = Vec::new();
    for value in headers.get_all(X_FORWARDED_FOR) {
        chain.extend_from_slice(value.as_bytes());
        chain.extend_from_slice(b", ");
    }
    chain.extend_from_slice(address.as_bytes());
    HeaderValue::try_from(chain).unwrap_or_else(|_| address.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
    }

    fn forwarded(fields: &[(&'static str, &'static str)], trusted: &str) -> HeaderMap {
        let mut headers: HeaderMap = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        let sender = Sender::new([10, 1, 2, 3].into(), Scheme::Http, &[trusted.parse().unwrap()]);
        let mut found = hop::scan(&headers);
        let origin = forward_request(&mut headers, &mut found, Version::HTTP_11, &sender);
        introduce(&mut headers, &origin, &sender, true);
        headers
    }

    const STRANGER: &str = "192.0.2.0/24";
    const FRIEND: &str = "10.0.0.0/8";

    #[test]
    fn hop_by_hop_fields_go_and_those_that_connection_names_go_with_them() {
        let fields = [
            ("host", "a"),
            ("connection", "close, X-Secret"),
            ("x-secret", "1"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("upgrade", "h2c"),
            ("te", "gzip"),
            ("accept", "*/*"),
        ];
        let out = forwarded(&fields, STRANGER);
        for gone in ["connection", "x-secret", "keep-alive", "proxy-connection", "upgrade", "te"] {
            assert!(!out.contains_key(gone), "{gone}");
        }
        assert_eq!(out["accept"], "*/*");
    }

    #[test]
    fn connection_cannot_name_what_frames_or_routes_the_message() {
        let fields = [("host", "a"), ("connection", "host, content-length, x-forwarded-for"), ("content-length", "3")];
        let out = forwarded(&fields, STRANGER);
        assert_eq!((&out["host"], &out["content-length"]), (&"a".parse().unwrap(), &"3".parse().unwrap()));
        assert_eq!(out["x-forwarded-for"], "10.1.2.3");
    }

    #[test]
    fn a_stranger_is_not_believed() {
        let fields = [
            ("host", "a"),
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "evil"),
            ("x-real-ip", "1.1.1.1"),
            ("forwarded", "for=1.1.1.1"),
        ];
        let out = forwarded(&fields, STRANGER);
        let expected = headers(&[
            ("host", "a"),
            ("x-forwarded-for", "10.1.2.3"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-host", "a"),
            ("via", "1.1 coalmine"),
        ]);
        assert_eq!(out, expected);
    }

    #[test]
    fn nobody_passes_a_field_of_ours_with_an_underscore() {
        for twin in ["x_forwarded_for", "x-forwarded_proto", "x_forwarded-host", "x_real_ip", "content_length"] {
            for network in [STRANGER, FRIEND] {
                let out = forwarded(&[("host", "a"), (twin, "1"), ("x_api_key", "k")], network);
                assert!(!out.contains_key(twin) && out["x_api_key"] == "k", "{twin}");
                assert_eq!(out["x-forwarded-for"], "10.1.2.3");
            }
        }
    }

    #[test]
    fn a_trusted_proxy_is_believed_and_added() {
        let fields = [
            ("host", "a"),
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-for", "2.2.2.2"),
            ("x-forwarded-proto", "https"),
            ("via", "1.1 first"),
        ];
        let out = forwarded(&fields, FRIEND);
        assert_eq!(out["x-forwarded-for"], "1.1.1.1, 2.2.2.2, 10.1.2.3");
        assert_eq!((&out["x-forwarded-proto"], &out["x-forwarded-host"]), (&"https".parse().unwrap(), &out["host"]));
        assert_eq!(out.get_all("via").iter().collect::<Vec<_>>(), ["1.1 first", "1.1 coalmine"]);
    }

    #[test]
    fn the_wish_for_trailers_is_renewed_for_the_next_hop() {
        let out = forwarded(&[("host", "a"), ("te", "gzip, Trailers"), ("connection", "te")], STRANGER);
        assert_eq!((&out["te"], &out["connection"]), (&"trailers".parse().unwrap(), &"te".parse().unwrap()));
    }
}
