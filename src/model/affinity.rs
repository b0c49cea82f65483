//! What keeps a visitor where it was.

use std::time::Duration;

use serde::Serialize;

use super::Secret;
use super::service::seconds;

/// What a visitor is kept on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Affinity {
    None,
    /// A version.
    Track,
    /// A server, for sessions that live in its memory.
    Backend,
}

/// The cookie that carries an affinity. What `service.cookie` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CookieSpec {
    /// By default `coalmine-` and the service's name.
    pub name: String,
    /// Zero: for as long as the browser runs.
    #[serde(serialize_with = "seconds")]
    pub max_age: Duration,
    /// Whether it is sent over TLS only.
    pub secure: bool,
}

/// The key that signs the cookies of all services.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AffinitySettings {
    /// Absent: made once, and shared through Redis where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Secret>,
}
