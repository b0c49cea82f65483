//! Certificates from an authority, ordered and renewed by the balancer itself (RFC 8555, RFC 9773).
//!
//! - `shelf`: what is kept on disk, readable by nobody else. `web`: how the authority is spoken to.
//! - `order`: one certificate; `answers`: what the authority is answered. `renewal`: when the next one is due, pure.
//!   `keeper`: the rounds.
//!
//! The authority asks for a token over plain HTTP, on whichever balancer the name leads to: tokens are shared, keys
//! never are. Whatever fails here is told and tried again; traffic goes on with the certificates that there are.

mod answers;
mod keeper;
mod order;
mod renewal;
mod shelf;
mod web;

pub use keeper::{Keeper, Ways};
