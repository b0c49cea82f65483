//! TLS: the one provider is aws-lc-rs.
//!
//! In front, a [`Certificate`] is read from two files and checked. The [`Store`] has those that are shown, by name, and
//! is changed while handshakes go on. The [`Acceptor`] does the handshakes; it is made once, so that the tickets that
//! clients hold stay good whatever happens to the certificates. [`client`]: whom others are trusted by, and how they are
//! spoken to.
//!
//! rustls stays inside this module as far as connections of clients go.

mod acceptor;
mod certificate;
pub mod client;
mod flaw;
mod store;

pub use acceptor::{Accepted, Acceptor};
pub use certificate::{Certificate, OutOfDate};
pub use flaw::{Flaw, Part};
pub use store::{Source, Store};
