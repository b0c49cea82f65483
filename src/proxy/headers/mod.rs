//! What a proxy takes off a message and puts on it (RFC 9110, 7.6; RFC 9112, 9.6).

mod authority;
mod framing;
mod hop;
mod request;
mod response;
mod upgrade;

pub use authority::{agree, is_target, join_cookies};
pub use hop::{Found, scan, strip_trailers};
pub use request::{Origin, Sender, forward_request, introduce};
pub use response::forward_response;
pub use upgrade::{asks_for_websocket, drop_reply, grants_websocket, put_key, renew_upgrade, replies};

use http::HeaderName;

pub(super) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(super) const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
pub(super) const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
pub(super) const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
pub(super) const FORWARDED: HeaderName = http::header::FORWARDED;
pub(super) const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
pub(super) const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
pub(super) const X_SERVED_BY: HeaderName = HeaderName::from_static("x-served-by");
