//! Single values: durations, whole numbers, addresses.

use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::config::key::Key;
use crate::config::problem::Problems;
use crate::model::{Endpoint, HostPattern};

pub(super) const DAY: Duration = Duration::from_secs(86_400);

/// Any duration that is not nothing.
pub(super) const LASTING: RangeInclusive<Duration> = Duration::from_millis(1)..=DAY;

pub(super) fn duration(
    problems: &mut Problems<'_>,
    key: &Key,
    text: &str,
    range: RangeInclusive<Duration>,
) -> Option<Duration> {
    let bounds = || {
        let [start, end] = [range.start(), range.end()].map(|bound| humantime::format_duration(*bound).to_string());
        format!("{start} to {end}")
    };
    match humantime::parse_duration(text) {
        Ok(duration) if range.contains(&duration) => Some(duration),
        Ok(_) => {
            problems.refuse(key, text, format!("outside {}", bounds()), format!("write a duration from {}", bounds()))
        }
        Err(error) => {
            let remedy = "write a number with a unit, such as \"500ms\", \"10s\" or \"5m\"";
            problems.refuse(key, text, format!("not a duration: {error}"), remedy)
        }
    }
}

/// A whole number of `range`, in the type that the model keeps it in.
pub(super) fn whole<T: TryFrom<i64> + Copy + Display + Into<i64>>(
    problems: &mut Problems<'_>,
    key: &Key,
    number: i64,
    range: RangeInclusive<T>,
) -> Option<T> {
    let (start, end) = (*range.start(), *range.end());
    match T::try_from(number) {
        Ok(value) if (start.into()..=end.into()).contains(&number) => Some(value),
        _ => problems.refuse(
            key,
            number,
            format!("outside {start} to {end}"),
            format!("write a whole number from {start} to {end}"),
        ),
    }
}

/// One of the words of an option.
pub(super) fn word<T: Copy>(problems: &mut Problems<'_>, key: &Key, text: &str, words: &[(&str, T)]) -> Option<T> {
    if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
        return Some(*value);
    }
    let known = words.iter().map(|(word, _)| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
    problems.refuse(key, text, "not one of the known words", format!("write one of {known}"))
}

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
