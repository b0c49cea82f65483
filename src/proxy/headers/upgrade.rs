//! The one change of protocol that is passed on: to WebSocket (RFC 9110, 7.8; RFC 6455, 4; RFC 8441).

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, TE, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue};

const WEBSOCKET: &str = "websocket";
/// What a server adds to the key to show that it has understood (RFC 6455, 1.3).
const PROOF: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Whether a request over HTTP/1.1 asks for WebSocket, among others or not. One that also asks for the connection to be
/// closed contradicts itself, and asks for nothing.
pub fn asks_for_websocket(headers: &HeaderMap) -> bool {
    names(headers, &UPGRADE, WEBSOCKET)
        && names(headers, &CONNECTION, "upgrade")
        && !names(headers, &CONNECTION, "close")
}

/// Whether an answer of 101 is a change to WebSocket.
pub fn grants_websocket(headers: &HeaderMap) -> bool {
    names(headers, &UPGRADE, WEBSOCKET)
}

/// Puts the change of protocol on a message that has no hop-by-hop fields, for the next hop.
pub fn renew_upgrade(headers: &mut HeaderMap) {
    // What follows has no trailers.
    headers.remove(TE);
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static(WEBSOCKET));
}

/// Puts a fresh key on a request that came without one, as they do over HTTP/2; gives the one right reply to it.
pub fn put_key(headers: &mut HeaderMap) -> HeaderValue {
    let mut nonce = [0; 16];
    rand::fill(&mut nonce).expect("the system has random numbers");
    let key = BASE64_STANDARD.encode(nonce);
    let reply = field(reply_to(&key));
    headers.insert(SEC_WEBSOCKET_KEY, field(key));
    reply
}

fn field(base64: String) -> HeaderValue {
    HeaderValue::try_from(base64).expect("base64 is a valid field value")
}

/// Whether an answer has the reply to the key that was put on the request.
pub fn replies(headers: &HeaderMap, reply: &HeaderValue) -> bool {
    let mut replies = headers.get_all(SEC_WEBSOCKET_ACCEPT).iter();
    replies.next() == Some(reply) && replies.next().is_none()
}

/// Takes off what is said of the key, which the client does not know.
pub fn drop_reply(headers: &mut HeaderMap) {
    headers.remove(SEC_WEBSOCKET_ACCEPT);
}

fn reply_to(key: &str) -> String {
    BASE64_STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, format!("{key}{PROOF}").as_bytes()))
}

/// Whether `name` is a list that `option` is in.
fn names(headers: &HeaderMap, name: &HeaderName, option: &str) -> bool {
    let mut options = headers.get_all(name).iter().flat_map(|value| value.as_bytes().split(|b| *b == b','));
    options.any(|it| it.trim_ascii().eq_ignore_ascii_case(option.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn websocket_is_asked_for_by_two_fields() {
        for (fields, asks) in [
            (&[("connection", "Upgrade"), ("upgrade", "websocket")][..], true),
            (&[("connection", "keep-alive, upgrade"), ("upgrade", "WebSocket")], true),
            (&[("connection", "keep-alive"), ("connection", "upgrade"), ("upgrade", "h2c, websocket")], true),
            (&[("connection", "upgrade"), ("upgrade", "h2c")], false),
            (&[("connection", "upgrade"), ("upgrade", "websocket2")], false),
            (&[("connection", "keep-alive"), ("upgrade", "websocket")], false),
            (&[("upgrade", "websocket")], false),
            (&[("connection", "upgrade")], false),
            (&[("connection", "upgrade, close"), ("upgrade", "websocket")], false),
        ] {
            assert_eq!(asks_for_websocket(&headers(fields)), asks, "{fields:?}");
        }
    }

    #[test]
    fn what_is_renewed_is_asked_for_and_granted() {
        let mut renewed = headers(&[("te", "trailers"), ("connection", "te")]);
        renew_upgrade(&mut renewed);
        assert!(asks_for_websocket(&renewed) && grants_websocket(&renewed));
        assert_eq!(renewed.len(), 2);
    }

    #[test]
    fn the_reply_to_a_key_is_that_of_the_rfc() {
        assert_eq!(reply_to("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn only_the_reply_to_the_key_that_was_put_on_counts() {
        let (mut first, mut second) = (HeaderMap::new(), HeaderMap::new());
        let (reply, other) = (put_key(&mut first), put_key(&mut second));
        assert_ne!(first[SEC_WEBSOCKET_KEY], second[SEC_WEBSOCKET_KEY]);
        let mut answer = HeaderMap::new();
        assert!(!replies(&answer, &reply));
        answer.insert(SEC_WEBSOCKET_ACCEPT, reply.clone());
        assert!(replies(&answer, &reply) && !replies(&answer, &other));
        answer.append(SEC_WEBSOCKET_ACCEPT, other);
        assert!(!replies(&answer, &reply));
        drop_reply(&mut answer);
        assert!(answer.is_empty());
    }
}
