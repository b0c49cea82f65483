//! The routing table: one immutable snapshot of every routing decision, published whole.
//!
//! The controller builds a [`RoutingTable`] and publishes it through the only [`TableWriter`]; the data plane reads it
//! through a [`TableReader`] and can't publish. What must survive a swap, the positions in the schedules, is shared
//! between snapshots by [`Positions`]. This module is the only home of `arc_swap`.

mod alarm;
mod backend;
mod budget;
mod challenges;
mod choice;
mod circuit;
mod handle;
mod hex;
mod host;
mod intake;
mod keys;
mod outcomes;
mod path;
mod pins;
mod router;
mod schedule;
mod service;
mod snapshot;
mod trial;

pub use alarm::Alarm;
pub use backend::{Backend, BackendKey, Terms};
pub use budget::{Budget, BudgetSeat};
pub use challenges::Challenges;
pub use choice::{Choice, fixed_ticket};
pub use circuit::{Circuit, Place, Room};
pub use handle::{TableReader, TableWriter, table};
pub use host::host_name;
pub use intake::{Intake, Rate, quota};
pub use keys::Keys;
pub use outcomes::{Outcomes, Sample};
pub use path::{is_plain, normalized};
pub use pins::{Pin, Pins};
pub use router::Router;
pub use schedule::Schedule;
pub use service::{Lane, Positions, Routed, Split, Trying};
pub use snapshot::RoutingTable;
pub use trial::{Trial, TrialSeat, TrialState};
