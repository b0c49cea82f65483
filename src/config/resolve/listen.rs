//! The doors of the process: `[listen]` and `[admin]`.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use super::address::{network, socket};
use super::scalar::{DAY, LASTING, duration, whole};
use super::secret::secret;
use crate::config::key::Key;
use crate::config::problem::Problems;
use crate::config::raw::{RawAdmin, RawListen};
use crate::model::{AdminSettings, ListenSettings};

pub(super) fn listen(problems: &mut Problems<'_>, raw: &RawListen) -> Option<ListenSettings> {
    let key = Key::top("listen");
    let http_key = key.field("http");
    if raw.http.is_empty() {
        problems.miss::<()>(
            &http_key,
            "there is no address to listen on",
            "write at least one, such as \"0.0.0.0:80\"",
        );
    }
    let http: Vec<_> =
        raw.http.iter().enumerate().map(|(index, text)| socket(problems, &http_key.index(index), text)).collect();
    let workers = whole(problems, &key.field("workers"), raw.workers, 0..=256_u16);
    let networks_key = key.field("trusted_proxies");
    let trusted_proxies: Vec<_> = raw
        .trusted_proxies
        .iter()
        .enumerate()
        .map(|(index, text)| network(problems, &networks_key.index(index), text))
        .collect();
    let header_timeout = duration(problems, &key.field("header_timeout"), &raw.header_timeout, LASTING);
    let idle_timeout = duration(problems, &key.field("idle_timeout"), &raw.idle_timeout, LASTING);
    let drain = duration(problems, &key.field("drain"), &raw.drain, Duration::ZERO..=DAY);
    let lame_duck = duration(problems, &key.field("lame_duck"), &raw.lame_duck, Duration::ZERO..=DAY);
    Some(ListenSettings {
        http: http.into_iter().collect::<Option<Vec<_>>>().filter(|http| !http.is_empty())?,
        workers: workers?.into(),
        trusted_proxies: trusted_proxies.into_iter().collect::<Option<_>>()?,
        header_timeout: header_timeout?,
        idle_timeout: idle_timeout?,
        drain: drain?,
        lame_duck: lame_duck?,
        via: raw.via,
    })
}

pub(super) fn admin(problems: &mut Problems<'_>, raw: &RawAdmin, directory: &Path) -> Option<AdminSettings> {
    let key = Key::top("admin");
    let listen_key = key.field("listen");
    let listen = socket(problems, &listen_key, &raw.listen);
    let token = secret(problems, &key.field("token_file"), &raw.token_file, directory);
    let metrics_listen = match raw.metrics_listen.as_str() {
        "" => Some(None),
        text => socket(problems, &key.field("metrics_listen"), text).map(Some),
    };
    if raw.token_file.is_empty() && listen.is_some_and(|listen| !listen.ip().is_loopback()) {
        let remedy = "name a file with a token in admin.token_file, or listen on 127.0.0.1";
        return problems.refuse(&listen_key, &raw.listen, "open to other machines without a token", remedy);
    }
    Some(AdminSettings { listen: listen?, token: token?, metrics_listen: metrics_listen? })
}

/// Refuses addresses of which one covers another; the system would refuse them later, or share their connections.
pub(super) fn doors_differ(problems: &mut Problems<'_>, http: &[SocketAddr], admin: Option<&AdminSettings>) {
    let http_key = Key::top("listen").field("http");
    let mut doors: Vec<(Key, SocketAddr)> =
        http.iter().enumerate().map(|(index, address)| (http_key.index(index), *address)).collect();
    if let Some(admin) = admin {
        doors.push((Key::top("admin").field("listen"), admin.listen));
        doors.extend(admin.metrics_listen.map(|address| (Key::top("admin").field("metrics_listen"), address)));
    }
    for (index, (key, address)) in doors.iter().enumerate() {
        if let Some((other, taken)) = doors[..index].iter().find(|(_, earlier)| overlap(*earlier, *address)) {
            let why = format!("`{other}` listens on `{taken}` already");
            problems.refuse::<()>(key, address, why, "write another address or port, or remove one of the two");
        }
    }
}

fn overlap(a: SocketAddr, b: SocketAddr) -> bool {
    let same_family = a.is_ipv4() == b.is_ipv4();
    let covers = a.ip() == b.ip() || (same_family && (a.ip().is_unspecified() || b.ip().is_unspecified()));
    covers && a.port() == b.port() && a.port() != 0
}
