//! The alert bus: which alerts and marks stand, heard the moment somebody says or takes back one.
//!
//! - `command`: how the rest of the process speaks here. `wiring`: what a bus is connected to.
//! - `key`, `parse`, `held`: what a key is for and what its value means. `board`: what stands, pure. `desk`: its only
//!   owner.
//! - [`mod@memory`]: the embedded store.
//! - [`standing()`]: makes keys of one writer true, for the agent of a host.
//! - `watch`: the store in Redis, with `connect`, `store`, `sentinel`, `backoff`, and `compat` for old keys. Nothing
//!   outside these knows the redis crate.
//!
//! | key under the prefix | holds |
//! | --- | --- |
//! | `service.alert.key`, `<key>:<owner>` | an alert |
//! | `drain:<service>:<backend>` | `DrainMark`, or any text as its reason |
//! | `weight:<service>` | `WeightMark`, or `2:1` |
//! | `eject:<service>` | `EjectMark`, or any text as its reason |
//! | `eject:<service>:<balancer>` | `PeerMark`; lives 5 s, renewed |
//! | `lease:<service>` | `LeaseMark`; lives as long as the lease |
//! | `affinity:key` | 64 hexadecimal digits |
//! | `acme:<token>` | a key authorization; lives 10 min |
//!
//! What Redis has to allow: `HELLO`, `CLIENT TRACKING`, `GETRANGE`, `PTTL`, `SCAN`, `SET` and `DEL`; `EVAL` to renew
//! and release leases, so that nobody gets between the look and the change; `LRANGE` for old lists; `ROLE` where
//! sentinels name the primary.

mod backoff;
mod board;
mod command;
mod compat;
mod connect;
mod desk;
mod held;
mod key;
mod memory;
mod parse;
mod sentinel;
mod standing;
mod store;
mod watch;
mod wiring;

pub use board::Kept;
pub use command::{BusError, BusHandle, Commands, Mark, MarkName, Watched, channel};
pub use key::is_for_marks;
pub use memory::memory;
pub use standing::{Standing, StandingKey, Word, standing};
pub use watch::redis;
pub use wiring::{ChallengeBoard, Company, Wiring};

/// What the value of an alert's key says; `None`: nothing. For those who try any bytes at all.
#[doc(hidden)]
pub fn read_alert(value: &[u8]) -> Option<crate::model::Alert> {
    parse::value(&value[..value.len().min(parse::MAX_VALUE)])
}

#[cfg(test)]
mod tests;
