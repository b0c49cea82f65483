//! Fields that belong to one connection and must not cross a proxy (RFC 9110, 7.6.1).

use http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, COOKIE,
    HOST, MAX_FORWARDS, SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::super::grpc;
use super::framing::Framing;
use super::{
    FORWARDED, KEEP_ALIVE, PROXY_CONNECTION, X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO, X_REAL_IP,
    X_SERVED_BY,
};

/// What one pass over the fields of a message found, so that only what is there has to be looked up again.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The first `Host`.
    pub host: Option<HeaderValue>,
    pub hosts: usize,
    /// The content type is of gRPC.
    pub grpc: bool,
    /// Of all fields, with what stands between and after name and value.
    pub bytes: usize,
    /// Where the body ends.
    pub framing: Framing,
    pub(super) connection: bool,
    pub(super) hop_by_hop: bool,
    pub(super) te: bool,
    /// There is `Upgrade`.
    pub upgrade: bool,
    pub(super) forwarded: bool,
    pub(super) twins: bool,
}

/// Looks through the fields of a message once.
pub fn scan(headers: &HeaderMap) -> Found {
    let mut found = Found::default();
    for (name, value) in headers {
        let name = name.as_str();
        found.bytes += name.len() + value.len() + ": \r\n".len();
        // Most names begin otherwise, and need not be compared with any.
        let Some(b'c' | b'f' | b'h' | b'k' | b'p' | b't' | b'u' | b'x') = name.as_bytes().first() else { continue };
        match name {
            "host" => {
                found.hosts += 1;
                found.host.get_or_insert_with(|| value.clone());
            }
            "connection" => found.connection = true,
            "te" => found.te = true,
            "content-type" => found.grpc = grpc::is_content_type(value),
            "content-length" => found.framing.length(value),
            "transfer-encoding" => {
                found.hop_by_hop = true;
                found.framing.coding(value);
            }
            "keep-alive" | "proxy-connection" => found.hop_by_hop = true,
            "upgrade" => (found.hop_by_hop, found.upgrade) = (true, true),
            "x-forwarded-for" | "x-forwarded-host" | "x-forwarded-proto" | "x-real-ip" | "forwarded" => {
                found.forwarded = true;
            }
            name if is_twin(name) => found.twins = true,
            _ => {}
        }
    }
    found
}

/// Whether a field is one of ours but for an underscore. Backends in the manner of CGI know both by one name, and would
/// take for ours what a client wrote.
fn is_twin(name: &str) -> bool {
    matches!(name.len(), 9 | 14..=17)
        && name.contains('_')
        && OURS.iter().any(|ours| {
            let same = |(a, b): (u8, u8)| a == b || (a == b'_' && b == b'-');
            ours.as_str().len() == name.len() && name.bytes().zip(ours.as_str().bytes()).all(same)
        })
}

/// Fields that say where a message came from or where it ends.
const OURS: [HeaderName; 6] =
    [X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO, X_REAL_IP, CONTENT_LENGTH, TRANSFER_ENCODING];

/// Removes the fields that differ from ours by underscores only.
pub(super) fn strip_twins(headers: &mut HeaderMap) {
    let twins: Vec<HeaderName> = headers.keys().filter(|name| is_twin(name.as_str())).cloned().collect();
    for name in twins {
        headers.remove(name);
    }
}

/// Removes every hop-by-hop field, those that `Connection` names included. `Trailer` stays: it describes the message.
///
/// A name in `Connection` can't remove what frames or routes the message or says where it came from.
pub(super) fn strip(headers: &mut HeaderMap, found: &Found) {
    if found.connection {
        for name in named(headers) {
            headers.remove(name);
        }
        headers.remove(CONNECTION);
    }
    if found.te {
        headers.remove(TE);
    }
    if found.hop_by_hop {
        for name in [KEEP_ALIVE, PROXY_CONNECTION, TRANSFER_ENCODING, UPGRADE] {
            headers.remove(name);
        }
    }
}

/// Removes from trailers what has its meaning in a head alone: what frames, routes or authorizes a message, says where
/// it came from, or belongs to one connection (RFC 9110, 6.5.1). A reader that merges both would believe it.
pub fn strip_trailers(trailers: &mut HeaderMap) {
    for name in OURS.iter().chain(&HEAD_ALONE) {
        trailers.remove(name);
    }
    strip_twins(trailers);
}

const HEAD_ALONE: [HeaderName; 17] = [
    AUTHORIZATION,
    CACHE_CONTROL,
    CONNECTION,
    CONTENT_ENCODING,
    CONTENT_RANGE,
    CONTENT_TYPE,
    COOKIE,
    FORWARDED,
    HOST,
    KEEP_ALIVE,
    MAX_FORWARDS,
    PROXY_CONNECTION,
    SET_COOKIE,
    TE,
    TRAILER,
    UPGRADE,
    X_SERVED_BY,
];

/// The fields that `Connection` names, but for those of its own protocol, which have no field or are stripped anyway.
fn named(headers: &HeaderMap) -> Vec<HeaderName> {
    let values = headers.get_all(CONNECTION).iter();
    let options = values.flat_map(|value| value.as_bytes().split(|b| *b == b','));
    options
        .map(<[u8]>::trim_ascii)
        .filter(|option| !option.eq_ignore_ascii_case(b"keep-alive") && !option.eq_ignore_ascii_case(b"close"))
        .filter_map(|option| HeaderName::from_bytes(option).ok())
        .filter(|name| !protected(name))
        .collect()
}

fn protected(name: &HeaderName) -> bool {
    [HOST, CONTENT_LENGTH, X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO, X_REAL_IP, FORWARDED].contains(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailers_have_no_field_that_frames_or_routes_or_says_where_a_message_came_from() {
        let mut trailers = HeaderMap::new();
        let dropped = [
            "content-length",
            "transfer-encoding",
            "host",
            "connection",
            "x-forwarded-for",
            "x_forwarded_for",
            "forwarded",
            "authorization",
            "set-cookie",
        ];
        for name in dropped.into_iter().chain(["grpc-status", "x-check"]) {
            trailers.append(name, HeaderValue::from_static("1"));
            trailers.append(name, HeaderValue::from_static("2"));
        }
        strip_trailers(&mut trailers);
        assert_eq!(trailers.keys().collect::<Vec<_>>(), ["grpc-status", "x-check"]);
        assert_eq!(trailers.len(), 4);
    }
}
