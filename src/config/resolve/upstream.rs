//! What is spoken to the backends of a track.

use std::path::Path;
use std::sync::Arc;

use super::scalar::word;
use crate::config::key::Key;
use crate::config::problem::Problems;
use crate::config::raw::{RawTrack, RawUpstreamTls};
use crate::model::{Address, BackendSpec, Credentials, ProxyProtocol, TlsSpec, Upstream};
use crate::tls::client;

const REMEDY: &str = "name a readable PEM file, absolute or relative to the configuration file";

/// `backends` are those of the track, if they could be read. `directory` is where relative paths begin.
pub(super) fn upstream(
    problems: &mut Problems<'_>,
    key: &Key,
    raw: &RawTrack,
    backends: Option<&[BackendSpec]>,
    directory: &Path,
) -> Option<Upstream> {
    let words = [("off", ProxyProtocol::Off), ("v1", ProxyProtocol::V1), ("v2", ProxyProtocol::V2)];
    let proxy_protocol = word(problems, &key.field("proxy_protocol"), &raw.proxy_protocol, &words);
    let hosts = backends.into_iter().flatten().filter_map(|backend| backend.address.tls_host());
    let named = names(problems, key, &raw.tls.server_name, hosts.clone());
    let tls = tls(problems, &key.field("tls"), &raw.tls, raw.h2, hosts.count() > 0, directory);
    named?;
    Some(Upstream { h2: raw.h2, proxy_protocol: proxy_protocol?, tls: Arc::new(tls?) })
}

/// Whether the certificates of all backends can be checked against a name.
fn names<'a>(
    problems: &mut Problems<'_>,
    key: &Key,
    server_name: &str,
    mut hosts: impl Iterator<Item = &'a str>,
) -> Option<()> {
    let remedy = "write a name such as \"app.internal\" or an IP address";
    if !server_name.is_empty() {
        return client::is_name(server_name)
            .then_some(())
            .or_else(|| problems.refuse(&key.field("tls").field("server_name"), server_name, "not a name", remedy));
    }
    match hosts.find(|host| !client::is_name(host)) {
        None => Some(()),
        Some(host) => {
            let why = "no certificate can be checked against this host";
            problems.refuse(&key.field("backends"), host, why, "write tls.server_name")
        }
    }
}

/// `wanted`: a backend of the track speaks TLS. The files are read in any case, so that a wrong one is not found late.
fn tls(
    problems: &mut Problems<'_>,
    key: &Key,
    raw: &RawUpstreamTls,
    h2: bool,
    wanted: bool,
    directory: &Path,
) -> Option<TlsSpec> {
    let roots = pem(problems, &key.field("ca_file"), &raw.ca_file, directory, client::certificates);
    let chain = pem(problems, &key.field("cert_file"), &raw.cert_file, directory, client::certificates);
    let secret = pem(problems, &key.field("key_file"), &raw.key_file, directory, client::private_key);
    let identity = match (chain?, secret?) {
        (Some(chain), Some(secret)) => Some((chain, secret)),
        (None, None) => None,
        (Some(_), None) => {
            let why = "a certificate is of no use without its key";
            return problems.miss(&key.field("key_file"), why, "name the PEM file with the key");
        }
        (None, Some(_)) => {
            let why = "a key is of no use without its certificate";
            return problems.miss(&key.field("cert_file"), why, "name the PEM file with the certificate");
        }
    };
    let roots = roots?;
    let has_files = roots.is_some() || identity.is_some();
    let ready =
        (wanted || has_files).then(|| credentials(problems, key, raw, client::credentials(roots, identity, h2)));
    let ready = ready.map_or(Some(None), |ready| ready.map(Some))?;
    Some(TlsSpec {
        ca_file: raw.ca_file.clone(),
        server_name: raw.server_name.clone(),
        cert_file: raw.cert_file.clone(),
        key_file: raw.key_file.clone(),
        credentials: ready.filter(|_| wanted),
    })
}

/// What of a file of the track is at fault is told by the error alone.
fn credentials(
    problems: &mut Problems<'_>,
    key: &Key,
    raw: &RawUpstreamTls,
    built: Result<Credentials, rustls::Error>,
) -> Option<Credentials> {
    let error = match built {
        Ok(credentials) => return Some(credentials),
        Err(error) => error,
    };
    let (field, file, why) = match &error {
        rustls::Error::InconsistentKeys(_) => ("key_file", &raw.key_file, "not the key of cert_file".to_owned()),
        rustls::Error::InvalidCertificate(why) => ("ca_file", &raw.ca_file, format!("not a certificate: {why}")),
        error => ("key_file", &raw.key_file, error.to_string()),
    };
    problems.refuse(&key.field(field), file, why, REMEDY)
}

/// What a file has; `Some(None)` when none is named.
fn pem<T>(
    problems: &mut Problems<'_>,
    key: &Key,
    file: &str,
    directory: &Path,
    read: impl FnOnce(&Path) -> Result<T, String>,
) -> Option<Option<T>> {
    if file.is_empty() {
        return Some(None);
    }
    match read(&directory.join(file)) {
        Ok(found) => Some(Some(found)),
        Err(why) => problems.refuse(key, file, why, REMEDY),
    }
}

/// Where a backend is: `host:port`, `https://host:port`, or `unix:/path`.
pub(super) fn address(problems: &mut Problems<'_>, key: &Key, text: &str) -> Option<Address> {
    let remedy = "write \"host:port\", \"https://host:port\" or \"unix:/run/app.sock\"";
    if let Some(path) = text.strip_prefix("unix:") {
        return match unix(path) {
            None => Some(Address::Unix(path.into())),
            Some(why) => problems.refuse(key, text, why, remedy),
        };
    }
    let (rest, tls) = text.strip_prefix("https://").map_or((text, false), |rest| (rest, true));
    if tls && rest.starts_with("unix:") {
        let why = "TLS is not spoken over a unix socket";
        return problems.refuse(key, text, why, "write \"unix:/run/app.sock\" without \"https://\"");
    }
    if text.starts_with("http://") {
        return problems.refuse(key, text, "plain HTTP has no scheme here", remedy);
    }
    match super::address::parse_endpoint(rest, None) {
        Ok(endpoint) => Some(Address::Network { endpoint, tls }),
        Err(why) => problems.refuse(key, text, why, format!("{remedy}; an IPv6 address is \"[::1]:port\"")),
    }
}

/// What is wrong with the path of a socket. It is a part of the id, which is sent in a header and stands in metrics.
fn unix(path: &str) -> Option<&'static str> {
    /// `sockaddr_un` has 108 bytes with the zero at the end.
    const LONGEST: usize = 107;
    if !path.starts_with('/') {
        Some("the path of a socket is absolute")
    } else if path.len() > LONGEST {
        Some("the path of a socket has at most 107 bytes")
    } else if !path.bytes().all(|b| b.is_ascii_graphic()) {
        Some("the path of a socket is visible ASCII")
    } else {
        None
    }
}
