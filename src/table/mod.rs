//! The routing table: one immutable snapshot of every routing decision, published whole.
//!
//! The controller builds a [`RoutingTable`] and publishes it through the only [`TableWriter`]; the data plane reads it
//! through a [`TableReader`] and can't publish. What must survive a swap, the positions in the schedules, is shared
//! between snapshots by [`Positions`]. This module is the only home of `arc_swap`.

mod backend;
mod handle;
mod host;
mod router;
mod schedule;
mod service;
mod snapshot;

pub use backend::{Backend, BackendKey};
pub use handle::{TableReader, TableWriter, table};
pub use host::host_name;
pub use router::Router;
pub use schedule::Schedule;
pub use service::{Lane, Positions, Routed, Split};
pub use snapshot::RoutingTable;
