//! Just enough of HTTP/2 (RFC 9113, RFC 7541) to send what a real client sends, and what no honest one does.

pub(crate) mod client;
pub(crate) mod frame;
pub(crate) mod hpack;
