//! Where notices go, with every default filled in.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use super::service::seconds;
use super::{Secret, Way};

/// Everything that the table `[notify]` says. Nothing in it: nobody is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NotifySettings {
    /// Where notices wait while nobody takes them; survives the process. Absent: they wait in memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outbox: Option<PathBuf>,
    /// Notices that begin within this time of each other go as one mail.
    #[serde(serialize_with = "seconds")]
    pub group: Duration,
    /// Mails within an hour at most; what is above waits and goes as one.
    pub hourly: u32,
    /// Where the balancer's own events go. The rules of an agent name theirs.
    pub ways: Vec<Way>,
    /// Certificates that are trusted beside the host's, as PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mail: Option<MailSettings>,
    #[serde(rename = "webhook", skip_serializing_if = "Vec::is_empty")]
    pub webhooks: Vec<WebhookSettings>,
}

/// A mail server and who is written to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MailSettings {
    pub host: String,
    pub port: u16,
    pub tls: MailTls,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    pub from: String,
    pub to: Vec<String>,
    #[serde(serialize_with = "seconds")]
    pub timeout: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MailTls {
    /// Plain text: for a relay on the same host or a trusted network.
    Off,
    /// Plain text first, then TLS, or nothing is sent.
    Starttls,
    /// TLS from the first byte.
    Implicit,
}

/// A URL that notices are posted to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WebhookSettings {
    pub url: String,
    /// Signs each request: HMAC-SHA256.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
    /// The events that are sent; empty: all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<String>,
    #[serde(serialize_with = "seconds")]
    pub timeout: Duration,
}
