//! The PROXY protocol, received: whom a proxy in front of this one speaks for.
//!
//! <https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt>, versions 1 and 2. What follows a header is not read.

use std::io;
use std::net::IpAddr;

use ppp::{v1, v2};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Longest header of version 2, in bytes, its additional fields included. They are not looked at.
const LONGEST: usize = 4096;
/// Longest line of version 1, its end included.
const LONGEST_LINE: usize = 107;
/// Version 2 up to the length of the rest.
const FIXED: usize = 16;
const LINE_PREFIX: &[u8] = b"PROXY ";
/// The shortest header of all.
const SHORTEST: &str = "PROXY UNKNOWN\r\n";

#[derive(Debug, Error)]
pub enum BadHeader {
    #[error("no PROXY header")]
    Missing,
    #[error("a PROXY header of more than {LONGEST} bytes, or a line of more than {LONGEST_LINE}")]
    TooLong,
    #[error("PROXY header, version 1: {0}")]
    Line(v1::BinaryParseError),
    #[error("PROXY header, version 2: {0}")]
    Binary(v2::ParseError),
    /// The parser passes a sign before a port.
    #[error("PROXY header, version 1: not a port")]
    Port,
    #[error("the connection ended within the PROXY header")]
    Ended,
    /// Somebody only looked who listens.
    #[error("the connection ended before its first byte")]
    Nothing,
    #[error("the PROXY header cannot be read: {0}")]
    Io(#[from] io::Error),
}

/// Reads a header and not a byte more. Gives the client that it names; `None` when it names none, or one that does not
/// come over the internet: then the sender speaks for itself. Not cancel safe: the connection is of no further use.
///
/// # Errors
/// There is no header, or it is wrong.
pub async fn receive(reader: &mut (impl AsyncRead + Unpin)) -> Result<Option<IpAddr>, BadHeader> {
    let mut header = Vec::with_capacity(LONGEST_LINE);
    loop {
        let missing = missing(&header)?;
        if missing == 0 {
            return parse(&header);
        }
        if reader.take(missing as u64).read_buf(&mut header).await? == 0 {
            return Err(if header.is_empty() { BadHeader::Nothing } else { BadHeader::Ended });
        }
    }
}

/// How many bytes a header that begins like this lacks at least; 0 when it is whole.
///
/// # Errors
/// It is none, or too long.
pub fn missing(header: &[u8]) -> Result<usize, BadHeader> {
    let begins = |prefix: &[u8]| header.iter().zip(prefix).all(|(byte, wanted)| byte == wanted);
    if header.is_empty() {
        return Ok(SHORTEST.len());
    }
    if begins(v2::PROTOCOL_PREFIX) {
        let Some(&[high, low]) = header.get(FIXED - 2..FIXED) else { return Ok(FIXED - header.len()) };
        let length = FIXED + usize::from(u16::from_be_bytes([high, low]));
        return if length > LONGEST { Err(BadHeader::TooLong) } else { Ok(length.saturating_sub(header.len())) };
    }
    if !begins(LINE_PREFIX) {
        return Err(BadHeader::Missing);
    }
    let shortest = match header.get(LINE_PREFIX.len()..).unwrap_or_default() {
        [b'T', b'C', b'P', b'4', ..] => "PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n".len(),
        [b'T', b'C', b'P', b'6', ..] => "PROXY TCP6 :: :: 0 0\r\n".len(),
        _ => SHORTEST.len(),
    };
    match header {
        [line @ .., b'\n'] if !line.contains(&b'\n') => Ok(0),
        // The parser looks at CR alone.
        _ if header.contains(&b'\n') => Err(BadHeader::Line(v1::ParseError::InvalidSuffix.into())),
        _ if header.len() >= LONGEST_LINE => Err(BadHeader::TooLong),
        [.., b'\r'] => Ok(1),
        // The line's end at least.
        _ => Ok(shortest.saturating_sub(header.len()).max(2).min(LONGEST_LINE - header.len())),
    }
}

/// Whom a whole header names.
///
/// # Errors
/// It is wrong.
pub fn parse(header: &[u8]) -> Result<Option<IpAddr>, BadHeader> {
    if header.starts_with(v2::PROTOCOL_PREFIX) {
        let header = v2::Header::try_from(header).map_err(BadHeader::Binary)?;
        return Ok(match (header.command, header.protocol, header.addresses) {
            (v2::Command::Proxy, v2::Protocol::Stream, v2::Addresses::IPv4(it)) => Some(it.source_address.into()),
            (v2::Command::Proxy, v2::Protocol::Stream, v2::Addresses::IPv6(it)) => Some(it.source_address.into()),
            _ => None,
        });
    }
    // By way of bytes: the parser of text cuts characters in two.
    match v1::Header::try_from(header).map_err(BadHeader::Line)?.addresses {
        v1::Addresses::Unknown => Ok(None),
        _ if header.contains(&b'+') => Err(BadHeader::Port),
        v1::Addresses::Tcp4(it) => Ok(Some(it.source_address.into())),
        v1::Addresses::Tcp6(it) => Ok(Some(it.source_address.into())),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TCP4: &str = "PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n";

    /// Version 2: command, family and protocol, the rest.
    fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [v2::PROTOCOL_PREFIX, &[command, family], &length, rest].concat()
    }

    /// What is received, and what is left to be read.
    async fn received(bytes: &[u8]) -> (Result<Option<IpAddr>, BadHeader>, Vec<u8>) {
        let mut rest = bytes;
        let received = receive(&mut rest).await;
        (received, rest.to_vec())
    }

    #[tokio::test]
    async fn a_header_names_the_client_and_what_follows_is_not_read() {
        let v4 = [&[192, 0, 2, 7, 198, 51, 100, 1][..], &[220, 4, 1, 187]].concat();
        let v6 = [&[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7][..], &[0; 20]].concat();
        let more = [&v4[..], &[4, 0, 2, 0, 0]].concat();
        let cases: [(Vec<u8>, Option<&str>); 14] = [
            (TCP4.into(), Some("192.0.2.7")),
            ("PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n".into(), Some("0.0.0.0")),
            ("PROXY TCP6 :: :: 0 0\r\n".into(), Some("::")),
            ("PROXY TCP6 2001:db8::7 ::1 1 65535\r\n".into(), Some("2001:db8::7")),
            (
                format!("PROXY TCP6 {0} {0} 65535 65535\r\n", ["ffff"; 8].join(":")).into(),
                Some("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ),
            ("PROXY UNKNOWN\r\n".into(), None),
            (format!("PROXY UNKNOWN {0} {0} 65535 65535\r\n", ["ffff"; 8].join(":")).into(), None),
            (binary(0x21, 0x11, &v4), Some("192.0.2.7")),
            (binary(0x21, 0x11, &more), Some("192.0.2.7")),
            (binary(0x21, 0x21, &v6), Some("2001:db8::7")),
            (binary(0x20, 0x11, &v4), None),
            (binary(0x20, 0x00, &[]), None),
            (binary(0x21, 0x31, &[1; 216]), None),
            (binary(0x21, 0x12, &v4), None),
        ];
        for (header, client) in cases {
            for rest in [&b""[..], b"GET / HTTP/1.1\r\n\r\n", TCP4.as_bytes()] {
                let (received, left) = received(&[&header, rest].concat()).await;
                assert_eq!(received.unwrap(), client.map(|it| it.parse().unwrap()), "{}", header.escape_ascii());
                assert_eq!(left, rest, "{}", header.escape_ascii());
            }
        }
    }

    #[tokio::test]
    async fn what_is_no_header_is_refused() {
        let wrong: [&[u8]; 21] = [
            b"GET / HTTP/1.1\r\n\r\n",
            b"PROXI TCP4 192.0.2.7 198.51.100.1 56324 443\r\n",
            b"proxy TCP4 192.0.2.7 198.51.100.1 56324 443\r\n",
            b"PROXY TCP5 192.0.2.7 198.51.100.1 56324 443\r\n",
            b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\n",
            b"PROXY TCP4 192.0.2.7 198.51.100.1 56324\r\n\r\n",
            b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443 \r\n",
            b"PROXY TCP4  192.0.2.7 198.51.100.1 56324 443\r\n",
            b"PROXY TCP4 192.0.2.7 198.51.100.1 +56324 443\r\n",
            b"PROXY TCP4 192.0.2.7 198.51.100.1 65536 443\r\n",
            b"PROXY TCP4 192.0.2.07 198.51.100.1 56324 443\r\n",
            b"PROXY TCP4 2001:db8::7 ::1 56324 443\r\n",
            b"PROXY TCP6 192.0.2.7 198.51.100.1 56324 443\r\n",
            b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\xc3\xa4\r\n",
            b"PROXY UNKNOWN\n",
            b"PROXY UNKNOWN a\nb\r\n",
            &binary(0x11, 0x11, &[0; 12]),
            &binary(0x22, 0x11, &[0; 12]),
            &binary(0x21, 0x41, &[0; 12]),
            &binary(0x21, 0x11, &[0; 11]),
            &binary(0x21, 0x11, &[0; LONGEST - FIXED + 1]),
        ];
        for bytes in wrong {
            let (received, _) = received(bytes).await;
            assert!(received.is_err(), "{received:?} {}", bytes.escape_ascii());
        }
        let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(LONGEST_LINE));
        assert!(matches!(received(long.as_bytes()).await.0, Err(BadHeader::TooLong)));
    }

    #[tokio::test]
    async fn the_first_wrong_byte_is_enough() {
        for bytes in [&b"G"[..], b"PROXYX", b"\r\n\r\n\0\r\nQUIX"] {
            assert!(matches!(missing(bytes), Err(BadHeader::Missing)), "{}", bytes.escape_ascii());
        }
        assert!(matches!(received(b"").await.0, Err(BadHeader::Nothing)));
        for length in 1..TCP4.len() {
            assert!(matches!(received(&TCP4.as_bytes()[..length]).await.0, Err(BadHeader::Ended)), "{length}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic_and_within_bounds(
            prefix in prop::sample::select(vec![&b""[..], b"PROXY ", b"PROXY TCP4 ", b"PROXY TCP6 ", v2::PROTOCOL_PREFIX]),
            bytes in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let all = [prefix, &bytes].concat();
            let mut header: &[u8] = &[];
            while let Ok(missing @ 1..) = missing(header) {
                prop_assert!(header.len() + missing <= LONGEST);
                let Some(more) = all.get(..header.len() + missing) else { return Ok(()) };
                header = more;
            }
            let _ = parse(header);
            let _ = parse(&all);
        }
    }
}
