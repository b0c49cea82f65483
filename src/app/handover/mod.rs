//! An upgrade without a lost request: a new process takes the sockets over while the old one ends.
//!
//! The running process starts the program once more ([`successor`]), at the path and with the arguments that it was
//! started with. Over a socket pair, the successor's standard input, go the listening sockets themselves and what the
//! successor must know, and one word back: that it serves ([`link`]). The sockets are the very same ones, so that what
//! waits in them is lost at no moment; until that word comes, the old process serves as if nothing had happened.

mod link;
mod predecessor;
mod program;
mod successor;

pub(super) use predecessor::Predecessor;
pub(super) use program::Program;
pub(super) use successor::Successor;

/// Set for a successor: its standard input is the link. One level, so that the configuration takes it for no key.
const MARK: &str = "COALMINE_HANDOVER";
