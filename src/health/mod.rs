//! Active health: one task for each backend asks it, and tells the controller what it heard.
//!
//! [`threshold`] is the pure rule, [`probe`] one question over the wire, [`prober`] the task that joins the two.
//! Nothing here decides about traffic: a backend's [`Health`](crate::model::Health) goes out in a report, and what an
//! unknown or a fallen backend means for a track is the controller's. [`outlier`] is the passive half: rules on what
//! clients' own requests have shown.

pub mod outlier;
pub mod probe;
pub mod prober;
pub mod threshold;

pub use prober::{ProbeJob, run};
