//! Sockets: how they are bound and connected, how bytes move over them, how names become addresses.

pub mod bind;
pub mod guard;
pub mod introduction;
pub mod lookout;
pub mod outbox;
mod passing;
pub mod preface;
pub mod prefixed;
pub mod proxy_protocol;
pub mod resolve;
pub mod socket;
pub mod stream;
