//! Sockets: how they are bound and connected, how bytes move over them, how names become addresses.

pub mod bind;
pub mod introduction;
pub mod outbox;
pub mod resolve;
pub mod socket;
pub mod stream;
