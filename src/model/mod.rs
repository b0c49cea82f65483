//! The words of the domain: plain data without I/O, time or locks.
//!
//! Everything else imports from here, and this module imports from nobody. A value of one of these types is valid by
//! construction: text from outside is parsed into them by [`crate::config`] and [`crate::bus`], never checked later.

mod alert;
mod backend;
mod health;
mod name;
mod probe;
mod reason;
mod secret;
mod service;
mod settings;
mod track;

pub use alert::{Alert, AlertKeys, AlertReading, CompatKey, Owner, Owners};
pub use backend::{BackendId, BackendSpec, BackendWeight, Endpoint};
pub use health::{Health, ProbeReport, ProbeTarget};
pub use name::{HostPattern, PathPrefix, ServiceName};
pub use probe::{ProbeSpec, StatusRanges};
pub use reason::{Reason, Reasons};
pub use secret::Secret;
pub use service::{Balance, PoolLimits, ServiceSpec, Timeouts};
pub use settings::{
    AccessLog, AdminSettings, ListenSettings, LogFormat, LogSettings, RedisPlace, RedisSettings, Settings,
};
pub use track::{Track, TrackSpec, Weight};
