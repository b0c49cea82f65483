//! `[tls.acme]`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::Uri;

use crate::config::key::Key;
use crate::config::problem::Problems;
use crate::config::raw::RawAcme;
use crate::model::{AcmeSettings, HostPattern};

/// Domains at most; each takes an order of its own.
const MAX_DOMAINS: usize = 100;

/// `asked`: there is an address on plain text, where the authority asks (RFC 8555, 8.3).
pub(super) fn acme(problems: &mut Problems<'_>, raw: &RawAcme, asked: bool, directory: &Path) -> Option<AcmeSettings> {
    let key = Key::top("tls").field("acme");
    let url = url(problems, &key.field("directory"), &raw.directory);
    let contact = contact(problems, &key.field("contact"), &raw.contact);
    let domains_key = key.field("domains");
    let domains: Vec<_> =
        raw.domains.iter().enumerate().map(|(at, text)| domain(problems, &domains_key.index(at), text)).collect();
    if domains.is_empty() {
        let remedy = "write the names that the certificates are for, such as \"www.example.org\"";
        problems.miss::<()>(&domains_key, "there is no domain", remedy);
    } else if domains.len() > MAX_DOMAINS {
        let why = format!("more than {MAX_DOMAINS} domains");
        problems.refuse::<()>(&domains_key, domains.len(), why, "leave some to another balancer");
    }
    let domains = domains.into_iter().collect::<Option<Vec<_>>>();
    let fits = |domains: &Vec<_>| !domains.is_empty() && domains.len() <= MAX_DOMAINS;
    if !asked {
        let remedy = "write an address in listen.http that port 80 of the domains leads to";
        return problems.miss(&key, "the authority asks on plain text, and listen.http is empty", remedy);
    }
    let state_dir = if raw.state_dir.is_empty() {
        problems.miss(&key.field("state_dir"), "there is no directory", "name one, such as \"acme\"")
    } else {
        Some(directory.join(&raw.state_dir))
    };
    let ca_file = (!raw.ca_file.is_empty()).then(|| file(problems, &key.field("ca_file"), &raw.ca_file, directory));
    Some(AcmeSettings {
        directory: url?,
        contact: contact?,
        domains: domains.filter(fits)?,
        state_dir: state_dir?,
        ca_file: ca_file.map_or(Some(None), |file| file.map(Some))?,
    })
}

fn url(problems: &mut Problems<'_>, key: &Key, text: &str) -> Option<String> {
    let valid = text.parse::<Uri>().is_ok_and(|uri| uri.scheme_str() == Some("https") && uri.host().is_some());
    if valid {
        return Some(text.to_owned());
    }
    problems.refuse(key, text, "not an https URL", "write the URL of the authority's directory, with https://")
}

fn contact(problems: &mut Problems<'_>, key: &Key, texts: &[String]) -> Option<Vec<String>> {
    for (at, text) in texts.iter().enumerate() {
        let address = text.strip_prefix("mailto:").and_then(|address| address.split_once('@'));
        let valid = address.is_some_and(|(user, host)| !user.is_empty() && host.contains('.'));
        if !valid {
            let remedy = "write \"mailto:\" and an address, such as \"mailto:ops@example.org\"";
            return problems.refuse(&key.index(at), text, "not a way to write to somebody", remedy);
        }
    }
    Some(texts.to_vec())
}

fn domain(problems: &mut Problems<'_>, key: &Key, text: &str) -> Option<Arc<str>> {
    match HostPattern::new(text) {
        Some(HostPattern::Exact(name)) => Some(name),
        Some(HostPattern::Below(_)) => {
            let why = "an authority gives no wildcard to who answers over HTTP";
            problems.refuse(key, text, why, "write each name, or bring a [[tls.certificate]] for the wildcard")
        }
        None => problems.refuse(key, text, "not the name of a host", "write a name such as \"www.example.org\""),
    }
}

fn file(problems: &mut Problems<'_>, key: &Key, text: &str, directory: &Path) -> Option<PathBuf> {
    let file = directory.join(text);
    match std::fs::metadata(&file) {
        Ok(found) if found.is_file() => Some(file),
        Ok(_) => problems.refuse(key, text, "not a file", "name a readable PEM file"),
        Err(error) => problems.refuse(key, text, format!("cannot be read: {error}"), "name a readable PEM file"),
    }
}
