//! Who sends a request, as far as the choice of its track looks at it.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use ipnet::IpNet;

use crate::proxy::headers::X_FORWARDED_FOR;

/// The sender of a request and its fields, as they came.
pub struct Visitor<'a> {
    pub headers: &'a HeaderMap,
    /// The other end of the connection.
    pub peer: IpAddr,
    /// Networks whose `X-Forwarded-For` is believed.
    pub trusted: &'a [IpNet],
}

impl Visitor<'_> {
    /// Where the request began, as far as it is believed: the peer, or behind trusted proxies the rightmost address of
    /// `X-Forwarded-For` that is none of them. What is left of that, anybody may have written.
    pub fn address(&self) -> IpAddr {
        let trusted = |address: &IpAddr| self.trusted.iter().any(|network| network.contains(address));
        let mut address = self.peer.to_canonical();
        let fields = self.headers.get_all(X_FORWARDED_FOR).iter().rev();
        let mut hops = fields.flat_map(|field| field.as_bytes().rsplit(|b| *b == b','));
        while trusted(&address) {
            // What a trusted proxy could not name ends the search at that proxy.
            match hops.next().and_then(parsed) {
                Some(before) => address = before,
                None => break,
            }
        }
        address
    }
}

/// An address as proxies write it, with or without a port.
fn parsed(text: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(text).ok()?.trim();
    let literal = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    text.parse().ok().or_else(literal).or_else(with_port).map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn address(peer: &str, forwarded: &[&'static str]) -> String {
        let mut headers = HeaderMap::new();
        for field in forwarded {
            headers.append(X_FORWARDED_FOR, HeaderValue::from_static(field));
        }
        let trusted = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        let visitor = Visitor { headers: &headers, peer: peer.parse().unwrap(), trusted: &trusted };
        visitor.address().to_string()
    }

    #[test]
    fn a_stranger_is_itself_whatever_it_says() {
        assert_eq!(address("192.0.2.1", &["198.51.100.7"]), "192.0.2.1");
        assert_eq!(address("::ffff:192.0.2.1", &[]), "192.0.2.1");
    }

    #[test]
    fn behind_trusted_proxies_it_is_the_rightmost_address_that_is_none_of_them() {
        assert_eq!(address("10.0.0.1", &["198.51.100.7"]), "198.51.100.7");
        assert_eq!(address("10.0.0.1", &["6.6.6.6, 198.51.100.7 , 10.0.0.2"]), "198.51.100.7");
        assert_eq!(address("10.0.0.1", &["6.6.6.6", "198.51.100.7", "10.0.0.3,10.0.0.2"]), "198.51.100.7");
        assert_eq!(address("::ffff:10.0.0.1", &["::ffff:198.51.100.7"]), "198.51.100.7");
        assert_eq!(address("fd00::1", &["2001:db8::7"]), "2001:db8::7");
    }

    #[test]
    fn an_address_may_have_a_port() {
        assert_eq!(address("10.0.0.1", &["198.51.100.7:4711"]), "198.51.100.7");
        assert_eq!(address("10.0.0.1", &["[2001:db8::7]:4711"]), "2001:db8::7");
        assert_eq!(address("10.0.0.1", &["[2001:db8::7]"]), "2001:db8::7");
    }

    #[test]
    fn without_a_stranger_it_is_the_farthest_proxy_that_is_known() {
        assert_eq!(address("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(address("10.0.0.1", &["10.0.0.3, 10.0.0.2"]), "10.0.0.3");
        assert_eq!(address("10.0.0.1", &["198.51.100.7, unknown, 10.0.0.2"]), "10.0.0.2");
        assert_eq!(address("10.0.0.1", &["198.51.100.7, "]), "10.0.0.1");
    }
}
