//! The doors of the process: `[listen]` and `[admin]`.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use ipnet::IpNet;

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
    let some = !raw.http.is_empty() || !raw.https.is_empty();
    if !some {
        problems.miss::<()>(
            &http_key,
            "there is no address to listen on",
            "write at least one, such as \"0.0.0.0:80\"",
        );
    }
    let http = sockets(problems, &http_key, &raw.http);
    let https = sockets(problems, &key.field("https"), &raw.https);
    let redirect_key = key.field("redirect_https");
    let redirects = !raw.redirect_https || !raw.https.is_empty();
    if !redirects {
        let remedy = "write an address in listen.https, or remove it";
        problems.refuse::<()>(&redirect_key, "true", "there is nothing to redirect to", remedy);
    }
    let workers = whole(problems, &key.field("workers"), raw.workers, 0..=256_u16);
    let trusted_proxies = networks(problems, &key.field("trusted_proxies"), &raw.trusted_proxies);
    let proxy_protocol = networks(problems, &key.field("proxy_protocol"), &raw.proxy_protocol);
    let handshake_timeout = duration(problems, &key.field("handshake_timeout"), &raw.handshake_timeout, LASTING);
    let header_timeout = duration(problems, &key.field("header_timeout"), &raw.header_timeout, LASTING);
    let idle_timeout = duration(problems, &key.field("idle_timeout"), &raw.idle_timeout, LASTING);
    let drain = duration(problems, &key.field("drain"), &raw.drain, Duration::ZERO..=DAY);
    let lame_duck = duration(problems, &key.field("lame_duck"), &raw.lame_duck, Duration::ZERO..=DAY);
    Some(ListenSettings {
        http: http.filter(|_| some)?,
        https: https?,
        redirect_https: redirects.then_some(raw.redirect_https)?,
        http2: raw.http2,
        workers: workers?.into(),
        trusted_proxies: trusted_proxies?,
        proxy_protocol: proxy_protocol?,
        handshake_timeout: handshake_timeout?,
        header_timeout: header_timeout?,
        idle_timeout: idle_timeout?,
        drain: drain?,
        lame_duck: lame_duck?,
        via: raw.via,
    })
}

fn sockets(problems: &mut Problems<'_>, key: &Key, texts: &[String]) -> Option<Vec<SocketAddr>> {
    let sockets: Vec<_> =
        texts.iter().enumerate().map(|(index, text)| socket(problems, &key.index(index), text)).collect();
    sockets.into_iter().collect()
}

fn networks(problems: &mut Problems<'_>, key: &Key, texts: &[String]) -> Option<Vec<IpNet>> {
    let networks: Vec<_> =
        texts.iter().enumerate().map(|(index, text)| network(problems, &key.index(index), text)).collect();
    networks.into_iter().collect()
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
pub(super) fn doors_differ(
    problems: &mut Problems<'_>,
    listen: Option<&ListenSettings>,
    admin: Option<&AdminSettings>,
) {
    let mut doors: Vec<(Key, SocketAddr)> = Vec::new();
    if let Some(listen) = listen {
        for (name, addresses) in [("http", &listen.http), ("https", &listen.https)] {
            let key = Key::top("listen").field(name);
            doors.extend(addresses.iter().enumerate().map(|(index, address)| (key.index(index), *address)));
        }
    }
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
