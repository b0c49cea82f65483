//! Addresses and networks.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use crate::config::key::Key;
use crate::config::problem::Problems;
use crate::model::{Endpoint, HostPattern};

/// An address to listen on: IP and port, port 0 for any free one.
pub(super) fn socket(problems: &mut Problems<'_>, key: &Key, text: &str) -> Option<SocketAddr> {
    text.parse().ok().or_else(|| {
        let remedy = "write an IP address and a port, such as \"0.0.0.0:80\" or \"[::]:80\"";
        problems.refuse(key, text, "not an address to listen on", remedy)
    })
}

/// An address to connect to: name or IP, and port.
pub(super) fn endpoint(problems: &mut Problems<'_>, key: &Key, text: &str) -> Option<Endpoint> {
    match parse_endpoint(text, None) {
        Ok(endpoint) => Some(endpoint),
        Err(why) => problems.refuse(key, text, why, "write \"host:port\", or \"[::1]:port\" for an IPv6 address"),
    }
}

/// A network; a plain address is the network of itself only.
pub(super) fn network(problems: &mut Problems<'_>, key: &Key, text: &str) -> Option<IpNet> {
    let network = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    network.or_else(|| {
        let remedy = "write an address or a network, such as \"10.0.0.0/8\" or \"fd00::/8\"";
        problems.refuse(key, text, "not a network", remedy)
    })
}

/// `Err` says what is wrong. Without `default_port` the port must be written.
pub(super) fn parse_endpoint(text: &str, default_port: Option<u16>) -> Result<Endpoint, &'static str> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or("the bracket is not closed")?;
            host.parse::<std::net::Ipv6Addr>().map_err(|_| "not an IPv6 address in brackets")?;
            (
                host,
                if rest.is_empty() { None } else { Some(rest.strip_prefix(':').ok_or("no port after the bracket")?) },
            )
        }
        None => {
            let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
            if port.is_some_and(|port| port.contains(':')) {
                return Err("an IPv6 address needs brackets");
            }
            if !is_host(host) {
                return Err("not a host name or IP address");
            }
            (host, port)
        }
    };
    let port = match port {
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
            digits.parse().ok().filter(|port| *port != 0).ok_or("the port is not 1 to 65535")?
        }
        Some(_) => return Err("the port is not a number"),
        None => default_port.ok_or("the port is missing")?,
    };
    Ok(Endpoint { host: host.into(), port })
}

/// A name whose last label is a number could only be a mistyped IPv4 address.
fn is_host(text: &str) -> bool {
    let numeric_end = text.rsplit('.').next().is_some_and(|label| label.bytes().all(|b| b.is_ascii_digit()));
    let name = !numeric_end && matches!(HostPattern::new(text), Some(HostPattern::Exact(_)));
    name || text.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_host_and_a_port() {
        for good in ["web1:3002", "10.0.0.1:1", "[::1]:65535", "web_1.internal:80"] {
            assert_eq!(parse_endpoint(good, None).unwrap().to_string(), good);
        }
        for bad in [
            "",
            ":",
            "web1",
            "web1:",
            ":80",
            "web1:0",
            "web1:65536",
            "web1:+80",
            "::1:80",
            "[::1]",
            "[::1]80",
            "[::1:80",
            "[web1]:80",
            "10.0.0.256:80",
            "10.0.0:80",
            "http://web1:80",
            "a b:80",
            "*.web:80",
        ] {
            assert!(parse_endpoint(bad, None).is_err(), "{bad}");
        }
        assert_eq!(parse_endpoint("[::1]", Some(6379)).unwrap().port, 6379);
    }
}
