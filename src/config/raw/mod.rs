//! The configuration as written: strict about names and shapes, and the home of every default but the probes'.
//!
//! Text stays text here and numbers stay wide, so that [`super::resolve`] can report each wrong one with its key.

use serde::Deserialize;

mod acme;
mod affinity;
mod choice;
mod gate;
mod limits;
mod monitor;
mod notify;
mod outlier;
mod probe;
mod process;
mod redis;
mod retry;
mod service;
mod tls;
mod track;

pub(super) use acme::RawAcme;
pub(super) use affinity::{RawAffinity, RawCookie};
pub(super) use choice::{RawRule, RawTester};
pub(super) use gate::RawGate;
pub(super) use limits::{RawLimits, RawRate, RawServiceLimits};
pub(super) use monitor::{RawCheck, RawMonitor, RawQuantity, RawWatchRule};
pub(super) use notify::{RawMail, RawNotify, RawRollback, RawWebhook};
pub(super) use outlier::RawOutlier;
pub(super) use probe::RawProbe;
pub(super) use process::{RawAdmin, RawBalancer, RawListen, RawLog};
pub(super) use redis::RawRedis;
pub(super) use retry::RawRetry;
pub(super) use service::{RawAlert, RawPool, RawService, RawTimeout};
pub(super) use tls::{RawCertificate, RawTls};
pub(super) use track::{RawBackend, RawTrack, RawUpstreamTls};

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Raw {
    pub(super) listen: RawListen,
    pub(super) tls: RawTls,
    pub(super) limits: RawLimits,
    pub(super) log: RawLog,
    pub(super) admin: RawAdmin,
    pub(super) redis: Option<RawRedis>,
    pub(super) balancer: RawBalancer,
    pub(super) affinity: RawAffinity,
    pub(super) notify: RawNotify,
    pub(super) service: Vec<RawService>,
}
