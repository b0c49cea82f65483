//! The fault suite: real processes fail in the middle of constant load, and the clients check every answer.
//!
//! A stage is one balancer, three stable backends and a canary, each a process of its own. A scenario is a small
//! script that harms and heals them. What the clients saw is held against what the backends wrote down: no repeatable
//! request may fail, no other one but those that a dying backend had in hand, and nothing may run twice.
//!
//! `cargo test --test faults` plays one scenario after the other. `make faults` writes a table of the results, on
//! request with nginx and HAProxy under the same faults beside them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod arguments;
mod backend;
mod crowd;
mod monitor;
mod network;
mod outcome;
mod proxy;
mod scenario;
mod scenarios;
mod sentinel;
mod share;
mod stage;
#[allow(dead_code, unused_imports, reason = "shared with the other tests, which use the rest")]
#[path = "../it/support/mod.rs"]
mod support;
mod table;
mod tagged;
mod timeline;
mod wrk;
