//! The header of the PROXY protocol that a connection to a backend begins with (HAProxy's `proxy-protocol.txt`, 2.1 and
//! 2.2).

use std::net::SocketAddr;

use ppp::{v1, v2};

use crate::model::ProxyProtocol;

/// The two ends of a client's connection: its own, and the one that it came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    pub client: SocketAddr,
    pub local: SocketAddr,
}

/// What is said of a connection: for which client it is, or that it is the balancer's own. `None`: nothing is said.
#[inline]
pub fn introduction(version: ProxyProtocol, ends: Option<Ends>) -> Option<Vec<u8>> {
    match version {
        ProxyProtocol::Off => None,
        ProxyProtocol::V1 => Some(version_1(ends.map(canonical))),
        ProxyProtocol::V2 => Some(version_2(ends.map(canonical))),
    }
}

/// Of one family, whatever socket took the connection.
fn canonical(ends: Ends) -> (SocketAddr, SocketAddr) {
    let canonical = |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
    (canonical(ends.client), canonical(ends.local))
}

fn version_1(ends: Option<(SocketAddr, SocketAddr)>) -> Vec<u8> {
    ends.map_or(v1::Addresses::Unknown, v1::Addresses::from).to_string().into_bytes()
}

fn version_2(ends: Option<(SocketAddr, SocketAddr)>) -> Vec<u8> {
    let (command, addresses) = match ends {
        Some(ends) => (v2::Command::Proxy, v2::Addresses::from(ends)),
        None => (v2::Command::Local, v2::Addresses::Unspecified),
    };
    let protocol = if ends.is_some() { v2::Protocol::Stream } else { v2::Protocol::Unspecified };
    let header = v2::Builder::with_addresses(v2::Version::Two | command, protocol, addresses).build();
    header.expect("a header with addresses alone is short")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(client: &str, local: &str) -> Option<Ends> {
        Some(Ends { client: client.parse().unwrap(), local: local.parse().unwrap() })
    }

    fn text(version: ProxyProtocol, ends: Option<Ends>) -> String {
        String::from_utf8(introduction(version, ends).unwrap()).unwrap()
    }

    #[test]
    fn version_1_is_a_line() {
        let v1 = ProxyProtocol::V1;
        assert_eq!(text(v1, ends("192.0.2.1:5", "10.0.0.1:80")), "PROXY TCP4 192.0.2.1 10.0.0.1 5 80\r\n");
        assert_eq!(text(v1, ends("[::ffff:192.0.2.1]:5", "10.0.0.1:80")), "PROXY TCP4 192.0.2.1 10.0.0.1 5 80\r\n");
        assert_eq!(text(v1, ends("[2001:db8::1]:5", "[::1]:80")), "PROXY TCP6 2001:db8::1 ::1 5 80\r\n");
        assert_eq!(text(v1, None), "PROXY UNKNOWN\r\n");
    }

    #[test]
    fn version_2_is_read_as_it_was_meant() {
        let header = introduction(ProxyProtocol::V2, ends("192.0.2.1:5", "10.0.0.1:80")).unwrap();
        let header = v2::Header::try_from(&header[..]).unwrap();
        assert_eq!((header.command, header.protocol), (v2::Command::Proxy, v2::Protocol::Stream));
        let expected: (SocketAddr, SocketAddr) = ("192.0.2.1:5".parse().unwrap(), "10.0.0.1:80".parse().unwrap());
        assert_eq!(header.addresses, v2::Addresses::from(expected));
        let own = introduction(ProxyProtocol::V2, None).unwrap();
        assert_eq!(v2::Header::try_from(&own[..]).unwrap().command, v2::Command::Local);
        assert_eq!(own.len(), 16);
    }

    #[test]
    fn nothing_is_said_where_nobody_asks() {
        assert_eq!(introduction(ProxyProtocol::Off, ends("192.0.2.1:5", "10.0.0.1:80")), None);
    }
}
