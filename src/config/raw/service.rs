//! `[[service]]` as written, without what has a file of its own.

use serde::Deserialize;

use super::{
    RawCookie, RawGate, RawOutlier, RawProbe, RawRetry, RawRollback, RawRule, RawServiceLimits, RawTester, RawTrack,
};

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawService {
    pub(crate) name: Option<String>,
    pub(crate) hosts: Vec<String>,
    pub(crate) path_prefix: String,
    pub(crate) balance: String,
    pub(crate) served_by_header: bool,
    pub(crate) affinity: String,
    pub(crate) split_by: String,
    pub(crate) timeout: RawTimeout,
    pub(crate) pool: RawPool,
    pub(crate) stable: Option<RawTrack>,
    pub(crate) canary: Option<RawTrack>,
    pub(crate) alert: RawAlert,
    pub(crate) probe: RawProbe,
    pub(crate) retry: RawRetry,
    pub(crate) outlier: RawOutlier,
    pub(crate) limits: RawServiceLimits,
    pub(crate) gate: RawGate,
    pub(crate) cookie: RawCookie,
    pub(crate) tester: RawTester,
    pub(crate) rollback: Option<RawRollback>,
    pub(crate) rule: Vec<RawRule>,
}

impl Default for RawService {
    fn default() -> Self {
        Self {
            name: None,
            hosts: Vec::new(),
            path_prefix: "/".into(),
            balance: "round_robin".into(),
            served_by_header: false,
            affinity: "none".into(),
            split_by: String::new(),
            timeout: RawTimeout::default(),
            pool: RawPool::default(),
            stable: None,
            canary: None,
            alert: RawAlert::default(),
            probe: RawProbe::default(),
            retry: RawRetry::default(),
            outlier: RawOutlier::default(),
            limits: RawServiceLimits::default(),
            gate: RawGate::default(),
            cookie: RawCookie::default(),
            tester: RawTester::default(),
            rollback: None,
            rule: Vec::new(),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawTimeout {
    pub(crate) connect: String,
    pub(crate) response: String,
    pub(crate) idle: String,
    pub(crate) tunnel: String,
}

impl Default for RawTimeout {
    fn default() -> Self {
        Self { connect: "1500ms".into(), response: "10s".into(), idle: "60s".into(), tunnel: "1h".into() }
    }
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawPool {
    pub(crate) max_idle: i64,
    pub(crate) idle_timeout: String,
    pub(crate) max_age: String,
}

impl Default for RawPool {
    fn default() -> Self {
        Self { max_idle: 64, idle_timeout: "30s".into(), max_age: "10m".into() }
    }
}

/// The default of `key` depends on the service's name.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(crate) struct RawAlert {
    pub(crate) key: Option<String>,
    pub(crate) compat: Vec<String>,
}
