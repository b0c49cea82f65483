//! The words of the domain: plain data without I/O, time or locks.
//!
//! Everything else imports from here, and this module imports from nobody. A value of one of these types is valid by
//! construction: text from outside is parsed into them by [`crate::config`] and [`crate::bus`], never checked later.

mod acme;
mod affinity;
mod alert;
mod backend;
mod choice;
mod gate;
mod health;
mod limits;
mod mark;
mod monitor;
mod name;
mod notice;
mod notify;
mod outlier;
mod probe;
mod reason;
mod retry;
mod rollback;
mod secret;
mod service;
mod settings;
mod tls;
mod track;
mod upstream;

pub use acme::AcmeSettings;
pub use affinity::{Affinity, AffinitySettings, CookieSpec};
pub use alert::{Alert, AlertKeys, AlertReading, CompatKey, Owner, Owners};
pub use backend::{Address, BackendId, BackendSpec, BackendWeight, Endpoint};
pub use choice::{Condition, RuleSpec, TesterSpec};
pub use gate::GateSpec;
pub use health::{Health, ProbeReport, ProbeTarget};
pub use limits::{CircuitLimits, LimitSettings, RateSpec, ServiceLimits};
pub use mark::{DrainMark, EjectMark, LeaseMark, MarkReading, Marks, Note, PeerMark, WeightMark};
pub use monitor::{
    CheckKind, CheckSpec, HostMetric, MonitorSettings, OnLost, Resource, Side, Unit, WatchActions, WatchAlert,
    WatchRule,
};
pub use name::{HostPattern, PathPrefix, ServiceName};
pub use notice::{Notice, NoticeKind, Severity, Way};
pub use notify::{MailSettings, MailTls, NotifySettings, WebhookSettings};
pub use outlier::OutlierSpec;
pub use probe::{ProbeQuestion, ProbeSpec, StatusRanges};
pub use reason::{Reason, Reasons};
pub use retry::RetrySpec;
pub use rollback::RollbackSpec;
pub use secret::Secret;
pub(crate) use service::in_words;
pub use service::{Balance, PoolLimits, ServiceSpec, Timeouts};
pub use settings::{
    AccessLog, AdminSettings, BalancerSettings, ListenSettings, LogFormat, LogSettings, RedisPlace, RedisSettings,
    Scheme, Settings,
};
pub use tls::{CertificateSettings, TlsSettings};
pub use track::{Track, TrackSpec, Weight};
pub use upstream::{Credentials, ProxyProtocol, TlsSpec, Upstream};
