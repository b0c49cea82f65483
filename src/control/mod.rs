//! The control plane: every decision, and the way to it.
//!
//! - [`gate`] (pure): whether a canary gets traffic.
//! - [`fleet`] (pure): the state of every service; an event in, what changed out.
//! - [`moment`]: the time and the chance that these two are told.
//! - [`build`]: from that state to a routing table.
//! - [`controller`]: the only task that changes the state and publishes tables.
//! - [`keepsake`]: what the process after this one is told of its decisions.
//! - [`heartbeat`]: whether the controller is alive.
//! - [`status`]: what the controller tells the operators. [`public`]: what anybody may see of the marks.
//! - [`admin`]: the operators' door.

pub mod admin;
mod build;
mod controller;
mod fleet;
mod gate;
mod heartbeat;
mod keepsake;
mod moment;
mod public;
#[cfg(test)]
mod specimen;
mod status;

pub use controller::{Addresses, Announcements, Controller, ControllerHandle, Herald, Inputs, Orders, Outputs, orders};
pub use heartbeat::Heartbeat;
pub use keepsake::Keepsake;
pub use status::{BackendStatus, FleetStatus, GateStatus, ServiceStatus, State, TrackStatus};
