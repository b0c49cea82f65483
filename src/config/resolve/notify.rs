//! `[notify]`, for the balancer and for the agent, and `[service.rollback]`.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::Uri;

use super::scalar::{DAY, LASTING, duration, whole, word};
use super::secret::secret;
use crate::config::key::Key;
use crate::config::problem::Problems;
use crate::config::raw::{RawMail, RawNotify, RawRollback, RawWebhook};
use crate::model::{MailSettings, MailTls, NotifySettings, RollbackSpec, Secret, Way, WebhookSettings};
use crate::{notify, tls};

/// How long notices may be held back to go as one.
const GROUP: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(3600);
/// For one attempt: nothing else goes that way meanwhile.
const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(60);

pub(in crate::config) fn notify(
    problems: &mut Problems<'_>,
    raw: &RawNotify,
    directory: &Path,
) -> Option<NotifySettings> {
    let key = Key::top("notify");
    let group = duration(problems, &key.field("group"), &raw.group, GROUP);
    let hourly = whole(problems, &key.field("hourly"), raw.hourly, 1..=1000_u32);
    let words = Way::ALL.map(|way| (way.as_str(), way));
    let ways: Vec<_> = raw
        .ways
        .iter()
        .enumerate()
        .map(|(index, text)| word(problems, &key.field("ways").index(index), text, &words))
        .collect();
    let ca_file = ca_file(problems, &key.field("ca_file"), &raw.ca_file, directory);
    let mail = raw.mail.as_ref().map(|raw| mail(problems, &key.field("mail"), raw, directory));
    let hooks = raw.webhook.iter().enumerate();
    let hooks: Vec<_> =
        hooks.map(|(index, raw)| webhook(problems, &key.field("webhook").index(index), raw, directory)).collect();
    Some(NotifySettings {
        outbox: (!raw.outbox.is_empty()).then(|| directory.join(&raw.outbox)),
        group: group?,
        hourly: hourly?,
        ways: ways.into_iter().collect::<Option<_>>()?,
        ca_file: ca_file?,
        mail: mail.map_or(Some(None), |mail| mail.map(Some))?,
        webhooks: hooks.into_iter().collect::<Option<_>>()?,
    })
}

/// `has_canary`: there is something to give up.
pub(super) fn rollback(
    problems: &mut Problems<'_>,
    key: &Key,
    raw: &RawRollback,
    has_canary: bool,
    directory: &Path,
) -> Option<RollbackSpec> {
    if !has_canary {
        let remedy = "add [service.canary], or remove the table";
        problems.refuse::<()>(key, &raw.url, "the service has no canary to roll back", remedy);
    }
    let url = url(problems, &key.field("url"), &raw.url);
    let secret = secret(problems, &key.field("secret_file"), &raw.secret_file, directory);
    let timeout = duration(problems, &key.field("timeout"), &raw.timeout, TIMEOUT);
    let ejections = whole(problems, &key.field("ejections"), raw.ejections, 1..=100_u32).and_then(NonZeroU32::new);
    let within = duration(problems, &key.field("within"), &raw.within, Duration::from_secs(1)..=DAY);
    let hook = WebhookSettings { url: url?, secret: secret?, events: Vec::new(), timeout: timeout? };
    has_canary.then_some(RollbackSpec { hook, ejections: ejections?, within: within? })
}

fn mail(problems: &mut Problems<'_>, key: &Key, raw: &RawMail, directory: &Path) -> Option<MailSettings> {
    let words = [("off", MailTls::Off), ("starttls", MailTls::Starttls), ("implicit", MailTls::Implicit)];
    let tls = word(problems, &key.field("tls"), &raw.tls, &words);
    let host = match raw.host.as_str() {
        text if text.is_empty() || text.contains(|c: char| c.is_whitespace() || c.is_control()) => {
            problems.refuse(&key.field("host"), text, "not a host", "write a name or an address without port")
        }
        text => Some(text.to_owned()),
    };
    let port = match raw.port {
        Some(port) => whole(problems, &key.field("port"), port, 1..=u16::MAX),
        None => tls.map(default_port),
    };
    let password = secret(problems, &key.field("password_file"), &raw.password_file, directory);
    let login = login(problems, key, raw, tls, host.as_deref(), password.as_ref());
    let from = mailbox(problems, &key.field("from"), &raw.from);
    if raw.to.is_empty() {
        problems.miss::<()>(&key.field("to"), "nobody is written to", "write an address such as \"ops@example.org\"");
    }
    let to = raw.to.iter().enumerate();
    let to: Vec<_> = to.map(|(index, text)| mailbox(problems, &key.field("to").index(index), text)).collect();
    let timeout = duration(problems, &key.field("timeout"), &raw.timeout, TIMEOUT);
    login?;
    (!to.is_empty()).then_some(())?;
    Some(MailSettings {
        host: host?,
        port: port?,
        tls: tls?,
        username: (!raw.username.is_empty()).then(|| raw.username.clone()),
        password: password?,
        from: from?,
        to: to.into_iter().collect::<Option<_>>()?,
        timeout: timeout?,
    })
}

/// A name and a password come together, and never go over a network as they are.
fn login(
    problems: &mut Problems<'_>,
    key: &Key,
    raw: &RawMail,
    tls: Option<MailTls>,
    host: Option<&str>,
    password: Option<&Option<Secret>>,
) -> Option<()> {
    let name_key = key.field("username");
    match (raw.username.is_empty(), password?.is_none()) {
        (true, true) => return Some(()),
        (false, true) => {
            let remedy = "name the file with the password in password_file, or remove the name";
            return problems.refuse(&name_key, &raw.username, "a name without a password is never sent", remedy);
        }
        (true, false) => return problems.miss(&name_key, "a password without a name is never sent", "write the name"),
        (false, false) => {}
    }
    let local = host? == "localhost" || host?.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    if tls? == MailTls::Off && !local {
        let remedy = "write tls = \"starttls\" or \"implicit\"";
        return problems.refuse(&key.field("tls"), &raw.tls, "the password would go over the network as it is", remedy);
    }
    Some(())
}

fn default_port(tls: MailTls) -> u16 {
    match tls {
        MailTls::Off => 25,
        MailTls::Starttls => 587,
        MailTls::Implicit => 465,
    }
}

fn mailbox(problems: &mut Problems<'_>, key: &Key, text: &str) -> Option<String> {
    if notify::is_mailbox(text) {
        return Some(text.to_owned());
    }
    let remedy = "write an address such as \"ops@example.org\" or \"Operations <ops@example.org>\"";
    problems.refuse(key, text, "not an address of mail", remedy)
}

fn webhook(problems: &mut Problems<'_>, key: &Key, raw: &RawWebhook, directory: &Path) -> Option<WebhookSettings> {
    let url = url(problems, &key.field("url"), &raw.url);
    let secret = secret(problems, &key.field("secret_file"), &raw.secret_file, directory);
    let timeout = duration(problems, &key.field("timeout"), &raw.timeout, LASTING.start().to_owned()..=*TIMEOUT.end());
    Some(WebhookSettings { url: url?, secret: secret?, events: raw.events.clone(), timeout: timeout? })
}

fn url(problems: &mut Problems<'_>, key: &Key, text: &str) -> Option<String> {
    let remedy = "write \"https://host/path\" or \"http://host:port/path\"";
    if text.is_empty() {
        return problems.miss(key, "there is no URL", remedy);
    }
    let good = text.parse::<Uri>().is_ok_and(|uri| {
        let plain = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
        matches!(uri.scheme_str(), Some("http" | "https")) && plain && uri.host().is_some_and(|host| !host.is_empty())
    });
    // Its path may be a secret.
    if good { Some(text.to_owned()) } else { problems.refuse(key, "***", "not a URL to post to", remedy) }
}

/// The file is read again for each connection, so that a new certificate needs no restart.
fn ca_file(problems: &mut Problems<'_>, key: &Key, file: &str, directory: &Path) -> Option<Option<PathBuf>> {
    if file.is_empty() {
        return Some(None);
    }
    let path = directory.join(file);
    match tls::client::certificates(&path) {
        Ok(_) => Some(Some(path)),
        Err(why) => {
            problems.refuse(key, file, why, "name a readable PEM file, absolute or relative to the configuration file")
        }
    }
}
