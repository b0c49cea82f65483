//! The alert bus: which alerts stand, heard the moment somebody raises or clears one.
//!
//! - `command`: how the rest of the process raises and clears alerts here.
//! - `parse`: what the value of a key means. `alerts`: what stands, pure. `desk`: its only owner.
//! - [`mod@memory`]: the embedded store.
//! - `watch`: the store in Redis, with `connect`, `store`, `sentinel`, `backoff`, and `compat` for old keys. Nothing
//!   outside these knows the redis crate.
//!
//! What Redis has to allow: `HELLO`, `CLIENT TRACKING`, `GETRANGE`, `PTTL`, `SCAN`, `SET` and `DEL`; `LRANGE` for old
//! lists; `ROLE` where sentinels name the primary.

mod alerts;
mod backoff;
mod command;
mod compat;
mod connect;
mod desk;
mod memory;
mod parse;
mod sentinel;
mod store;
mod watch;

pub use alerts::Watched;
pub use command::{BusError, BusHandle, Commands, Mark, MarkName, channel};
pub use memory::memory;
pub use watch::redis;

#[cfg(test)]
mod tests;
