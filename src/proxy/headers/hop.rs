//! Fields that belong to one connection and must not cross a proxy (RFC 9110, 7.6.1).

use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TE, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName};

use super::{FORWARDED, KEEP_ALIVE, PROXY_CONNECTION, X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO, X_REAL_IP};

/// What one pass over the fields of a message found, so that only what is there has to be removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) connection: bool,
    pub(super) hop_by_hop: bool,
    pub(super) te: bool,
    pub(super) forwarded: bool,
}

pub(super) fn scan(headers: &HeaderMap) -> Found {
    let mut found = Found::default();
    for name in headers.keys() {
        match name.as_str() {
            "connection" => found.connection = true,
            "te" => found.te = true,
            "keep-alive" | "proxy-connection" | "transfer-encoding" | "upgrade" => found.hop_by_hop = true,
            "x-forwarded-for" | "x-forwarded-host" | "x-forwarded-proto" | "x-real-ip" | "forwarded" => {
                found.forwarded = true;
            }
            _ => {}
        }
    }
    found
}

/// Removes every hop-by-hop field, those that `Connection` names included. `Trailer` stays: it describes the message.
///
/// A name in `Connection` can't remove what frames or routes the message or says where it came from.
pub(super) fn strip(headers: &mut HeaderMap, found: Found) {
    if found.connection {
        let named: Vec<HeaderName> = headers
            .get_all(CONNECTION)
            .iter()
            .flat_map(|value| value.as_bytes().split(|b| *b == b','))
            .filter_map(|token| HeaderName::from_bytes(token.trim_ascii()).ok())
            .filter(|name| !protected(name))
            .collect();
        for name in named {
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

fn protected(name: &HeaderName) -> bool {
    [HOST, CONTENT_LENGTH, X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO, X_REAL_IP, FORWARDED].contains(name)
}
