//! `[tls]`: what is shown on the addresses of `listen.https`.

use std::path::Path;
use std::time::SystemTime;

use super::acme::acme;
use crate::config::key::Key;
use crate::config::problem::{Problem, Problems};
use crate::config::raw::{RawCertificate, RawTls};
use crate::model::{CertificateSettings, HostPattern, TlsSettings};
use crate::tls::{Certificate, OutOfDate, Part};

/// Whether there is an address where certificates are shown, and one where an authority can ask.
#[derive(Clone, Copy)]
pub(super) struct Doors {
    pub(super) https: bool,
    pub(super) http: bool,
}

/// Blocks on the files of the certificates.
pub(super) fn tls(problems: &mut Problems<'_>, raw: &RawTls, doors: Doors, directory: &Path) -> Option<TlsSettings> {
    let key = Key::top("tls").field("certificate");
    let acme = raw.acme.as_ref().map(|raw| acme(problems, raw, doors.http, directory));
    let missing = doors.https && raw.certificate.is_empty() && acme.is_none();
    if missing {
        let remedy = "add a [[tls.certificate]] with cert and key, or [tls.acme] with domains to have one made";
        problems.miss::<()>(&key, "listen.https has an address, and there is no certificate to show there", remedy);
    }
    let certificates = raw.certificate.iter().enumerate();
    let certificates: Vec<_> =
        certificates.map(|(index, raw)| certificate(problems, &key.index(index), raw, directory)).collect();
    hosts_differ(problems, &key, &certificates);
    let certificates = certificates.into_iter().collect::<Option<Vec<_>>>()?;
    let acme = acme.map_or(Some(None), |acme| acme.map(Some))?;
    (!missing).then_some(TlsSettings { certificates, acme })
}

/// Certificates that clients refuse at `now`; `file` has named them. Blocks on their files.
pub(in crate::config) fn out_of_date(tls: &TlsSettings, file: &str, now: SystemTime) -> Vec<Problem> {
    let problem = |(index, files): (usize, &CertificateSettings)| {
        let reason = Certificate::load(files).ok()?.check_date(now).err()?;
        let remedy = match reason {
            OutOfDate::Expired(_) => "have it renewed, and write the new one there",
            OutOfDate::NotYet(_) => "set the clock, or use the certificate from then on",
        };
        Some(Problem {
            origin: file.to_owned(),
            key: Key::top("tls").field("certificate").index(index).field("cert").to_string(),
            value: Some(files.cert.display().to_string()),
            why: format!("the certificate is out of date: {reason}"),
            remedy: remedy.to_owned(),
        })
    };
    tls.certificates.iter().enumerate().filter_map(problem).collect()
}

fn certificate(
    problems: &mut Problems<'_>,
    key: &Key,
    raw: &RawCertificate,
    directory: &Path,
) -> Option<CertificateSettings> {
    let mut file = |name, file: &str| match file {
        "" => problems.miss(&key.field(name), "there is no file", "name a PEM file, such as \"site.pem\""),
        file => Some(directory.join(file)),
    };
    let (cert, secret) = (file("cert", &raw.cert), file("key", &raw.key));
    let hosts: Vec<_> = raw.hosts.iter().enumerate().map(|(index, text)| host(problems, key, index, text)).collect();
    let settings = CertificateSettings { cert: cert?, key: secret?, hosts: hosts.into_iter().collect::<Option<_>>()? };
    match Certificate::load(&settings) {
        Ok(_) => Some(settings),
        Err(flaw) => {
            let part = flaw.part();
            let written = match part {
                Part::Cert => raw.cert.clone(),
                Part::Key => raw.key.clone(),
                Part::Hosts => raw.hosts.join(", "),
            };
            problems.refuse(&key.field(part.as_str()), written, flaw.to_string(), flaw.remedy())
        }
    }
}

fn host(problems: &mut Problems<'_>, key: &Key, index: usize, text: &str) -> Option<HostPattern> {
    HostPattern::new(text).or_else(|| {
        let remedy = "write a name such as \"www.example.org\" or \"*.example.org\", without a port";
        problems.refuse(&key.field("hosts").index(index), text, "not the name of a host", remedy)
    })
}

/// What is written for two certificates would be shown for one.
fn hosts_differ(problems: &mut Problems<'_>, key: &Key, certificates: &[Option<CertificateSettings>]) {
    let mut taken: Vec<(&HostPattern, usize)> = Vec::new();
    for (at, settings) in certificates.iter().enumerate() {
        for (index, host) in settings.iter().flat_map(|settings| &settings.hosts).enumerate() {
            match taken.iter().find(|(other, of)| *other == host && *of != at) {
                Some((_, of)) => {
                    let why = format!("`{}` is for this host already", key.index(*of));
                    let place = key.index(at).field("hosts").index(index);
                    problems.refuse::<()>(&place, host, why, "leave the host to one of the two");
                }
                None => taken.push((host, at)),
            }
        }
    }
}
