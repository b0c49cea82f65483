//! The configuration as written: strict about names and shapes, and the home of every default but the probes'.
//!
//! Text stays text here and numbers stay wide, so that [`super::resolve`] can report each wrong one with its key.

use serde::Deserialize;

mod probe;
mod process;
mod redis;
mod service;
mod track;

pub(super) use probe::RawProbe;
pub(super) use process::{RawAdmin, RawListen, RawLog};
pub(super) use redis::RawRedis;
pub(super) use service::{RawAlert, RawPool, RawService, RawTimeout};
pub(super) use track::{RawBackend, RawTrack};

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Raw {
    pub(super) listen: RawListen,
    pub(super) log: RawLog,
    pub(super) admin: RawAdmin,
    pub(super) redis: Option<RawRedis>,
    pub(super) service: Vec<RawService>,
}
