//! What a path means, whoever reads it.
//!
//! A path is routed and sent on byte for byte. Backends read it more or less generously: they decode, resolve `..`,
//! merge slashes, take `\` for `/`, or drop what follows a `;`. A path that leads to another service when it is read so
//! is a way around the routes, and has to be refused.

use std::borrow::Cow;

/// Whether `path` means the same to everybody. What most requests have; costs one look at each byte.
#[inline]
pub fn is_plain(path: &str) -> bool {
    let mut before = 0;
    path.bytes().all(|b| {
        let plain = match b {
            b'%' | b'\\' | b';' => false,
            b'/' | b'.' => before != b'/',
            _ => true,
        };
        before = b;
        plain
    })
}

/// `path` as the most generous reader takes it: unreserved characters and slashes decoded (RFC 3986, 6.2.2.2), `\` taken
/// for `/`, parameters of segments dropped, slashes merged, `.` and `..` resolved. `None`: it has a NUL, or leads above
/// the root. Applied to its own result it changes nothing.
pub fn normalized(path: &str) -> Option<Cow<'_, str>> {
    if is_plain(path) || !path.starts_with('/') {
        return Some(Cow::Borrowed(path));
    }
    let decoded = decoded(path)?;
    let mut segments: Vec<&str> = Vec::new();
    let mut is_directory = true;
    for segment in decoded.split('/') {
        let name = segment.split(';').next().unwrap_or_default();
        is_directory = matches!(name, "" | "." | "..");
        match name {
            "" | "." => {}
            ".." => {
                segments.pop()?;
            }
            name => segments.push(name),
        }
    }
    let mut normal = String::with_capacity(decoded.len());
    for segment in &segments {
        normal.push('/');
        normal.push_str(segment);
    }
    if is_directory || segments.is_empty() {
        normal.push('/');
    }
    Some(Cow::Owned(normal))
}

/// What may be decoded without another meaning, and slashes. A `%` that begins nothing becomes `%25`, so that what is
/// left can't be decoded once more. `None`: there is a NUL.
fn decoded(path: &str) -> Option<String> {
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find(['%', '\\']) {
        out.push_str(&rest[..at]);
        if rest.as_bytes()[at] == b'\\' {
            out.push('/');
            rest = &rest[at + 1..];
            continue;
        }
        let escape = rest.as_bytes().get(at + 1..at + 3).and_then(|digits| Some((hex(digits[0])?, hex(digits[1])?)));
        let Some((high, low)) = escape else {
            out.push_str("%25");
            rest = &rest[at + 1..];
            continue;
        };
        match high << 4 | low {
            0 => return None,
            b'/' | b'\\' => out.push('/'),
            b if b.is_ascii_alphanumeric() || b"-._~".contains(&b) => out.push(char::from(b)),
            _ => out.push_str(&rest[at..at + 3]),
        }
        rest = &rest[at + 3..];
    }
    out.push_str(rest);
    Some(out)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::PathPrefix;
    use crate::table::Router;

    #[test]
    fn what_everybody_reads_alike_stays_as_it_is() {
        for path in ["/", "*", "", "/api/x.html", "/a/b/", "/a.b/c..d/~e", "/caf\u{e9}"] {
            assert!(is_plain(path), "{path}");
            assert_eq!(normalized(path).as_deref(), Some(path));
        }
    }

    #[test]
    fn every_way_to_write_a_path_has_one_normal_form() {
        for (path, normal) in [
            ("/a/%61%2Db", "/a/a-b"),
            ("/a%2fb%5Cc\\d", "/a/b/c/d"),
            ("//a///b//", "/a/b/"),
            ("/a/./b/../c", "/a/c"),
            ("/a/%2e%2E/b", "/b"),
            ("/a/b/..", "/a/"),
            ("/a/.", "/a/"),
            ("/a/..", "/"),
            ("/a/..;x=1/b;y", "/b"),
            ("/a/;x/b", "/a/b"),
            ("/.well-known/x", "/.well-known/x"),
            ("/100%", "/100%25"),
            ("/%2%65", "/%252e"),
            ("/%252e%252e/a", "/%252e%252e/a"),
            ("/a%20b%C3%A9", "/a%20b%C3%A9"),
            ("/\u{e9}/../b", "/b"),
        ] {
            assert_eq!(normalized(path).as_deref(), Some(normal), "{path}");
            assert!(path == normal || !is_plain(path), "{path}");
        }
    }

    #[test]
    fn nul_and_what_leads_above_the_root_is_no_path() {
        for path in
            ["/%00", "/a%00b", "/..", "/../a", "/a/../../b", "/%2e%2e/", "/..;/a", "/a/..\\..", "//..", "/%2f.."]
        {
            assert_eq!(normalized(path), None, "{path}");
        }
    }

    fn paths() -> impl Strategy<Value = String> {
        let pieces =
            ["/", "/", "a", "api", "x", ".", "..", "%2e", "%2F", "%5c", "\\", ";", "%", "%2", "25", "%00", "\u{e9}"];
        prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..12)
            .prop_map(|pieces| format!("/{}", pieces.concat()))
    }

    proptest! {
        #[test]
        fn to_normalize_twice_is_to_normalize_once(path in paths()) {
            if let Some(normal) = normalized(&path) {
                let again = normalized(&normal);
                prop_assert_eq!(again.as_deref(), Some(&*normal));
            }
        }

        #[test]
        fn a_plain_path_is_its_normal_form(path in paths()) {
            if is_plain(&path) {
                let normal = normalized(&path);
                prop_assert_eq!(normal.as_deref(), Some(&*path));
            }
        }

        #[test]
        fn what_passes_selects_the_same_service_however_it_is_read(path in paths()) {
            let prefixes = ["/", "/a", "/api", "/api/x", "/a/x"].map(|prefix| PathPrefix::new(prefix).unwrap());
            let router = Router::new(prefixes.iter().map(|prefix| (&[][..], prefix)));
            let raw = router.find("", &path);
            if router.is_unambiguous("", &path) {
                let normal = normalized(&path);
                prop_assert_eq!(raw, normal.and_then(|normal| router.find("", &normal)));
            }
        }
    }
}
