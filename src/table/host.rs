//! The name in a `Host` field.

/// The host of `Host: host[:port]` (RFC 9110, 7.2) without its port, or `None` when it is not a valid one.
///
/// Upper-case letters are left as they are; IPv6 literals keep their brackets off.
pub fn host_name(authority: &str) -> Option<&str> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (literal, after) = rest.split_once(']')?;
            literal.parse::<std::net::Ipv6Addr>().ok()?;
            (literal, if after.is_empty() { "" } else { after.strip_prefix(':')? })
        }
        None => match authority.bytes().position(|b| !NAME[usize::from(b)]) {
            Some(end) => (&authority[..end], authority[end..].strip_prefix(':')?),
            None => (authority, ""),
        },
    };
    let port = port.len() <= 5 && port.bytes().all(|b| b.is_ascii_digit());
    (!host.is_empty() && host.len() <= 255 && port).then_some(host)
}

/// The bytes of a name (RFC 3986, 3.2.2).
static NAME: [bool; 256] = {
    let mut table = [false; 256];
    let allowed = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!$&'()*+,;=%";
    let mut index = 0;
    while index < allowed.len() {
        table[allowed[index] as usize] = true;
        index += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_and_the_brackets_are_taken_off() {
        assert_eq!(host_name("example.org"), Some("example.org"));
        assert_eq!(host_name("Example.org:8080"), Some("Example.org"));
        assert_eq!(host_name("[::1]:80"), Some("::1"));
        assert_eq!(host_name("[::1]"), Some("::1"));
    }

    #[test]
    fn what_is_not_a_host_is_refused() {
        for bad in ["", ":80", "a b", "a/b", "a@b", "a:b", "a:80:90", "[::1", "[x]", "[::1]x", "a\u{e4}", "a:123456"] {
            assert_eq!(host_name(bad), None, "{bad}");
        }
    }
}
