use std::fs;

use tempfile::TempDir;

use super::*;

/// Files of a fresh certificate for `names`, in a directory of their own.
pub(in crate::tls) fn pair(names: &[&str]) -> (TempDir, CertificateSettings) {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    written(&made.cert.pem(), &made.signing_key.serialize_pem())
}

pub(in crate::tls) fn certificate(names: &[&str]) -> Certificate {
    let (_directory, files) = pair(names);
    Certificate::load(&files).unwrap()
}

fn written(cert: &str, key: &str) -> (TempDir, CertificateSettings) {
    let directory = tempfile::tempdir().unwrap();
    let files = CertificateSettings {
        cert: directory.path().join("site.pem"),
        key: directory.path().join("site.key"),
        hosts: Vec::new(),
    };
    fs::write(&files.cert, cert).unwrap();
    fs::write(&files.key, key).unwrap();
    (directory, files)
}

fn hosts(names: &[&str]) -> Vec<HostPattern> {
    names.iter().map(|name| HostPattern::new(name).unwrap()).collect()
}

fn flaw(files: &CertificateSettings) -> (Part, String) {
    let flaw = Certificate::load(files).unwrap_err();
    assert!(!flaw.remedy().is_empty());
    (flaw.part(), flaw.to_string())
}

#[test]
fn its_own_names_are_its_hosts_unless_others_are_given() {
    let (_directory, mut files) = pair(&["WWW.example.org", "*.example.org", "10.0.0.1"]);
    let loaded = Certificate::load(&files).unwrap();
    assert_eq!((loaded.name.as_str(), loaded.hosts), ("www.example.org", hosts(&["www.example.org", "*.example.org"])));
    files.hosts = hosts(&["a.example.org", "*.example.org"]);
    let loaded = Certificate::load(&files).unwrap();
    assert_eq!((loaded.name.as_str(), loaded.hosts), ("a.example.org", files.hosts.clone()));
    for uncovered in ["example.org", "a.b.example.org", "*.test", "10.0.0.1"] {
        files.hosts = hosts(&[uncovered]);
        let (part, why) = flaw(&files);
        assert!(part == Part::Hosts && why.contains(&format!("not for `{uncovered}`")), "{why}");
        assert!(why.contains("`www.example.org`, `*.example.org`"), "{why}");
    }
}

#[test]
fn a_certificate_without_names_is_known_by_its_file() {
    let (_directory, files) = pair(&["10.0.0.1"]);
    let loaded = Certificate::load(&files).unwrap();
    assert_eq!((loaded.name.as_str(), loaded.hosts.len()), ("site.pem", 0));
}

#[test]
fn what_is_wrong_is_named_with_its_file() {
    let ((_one, good), (_other, other)) = (pair(&["a.test"]), pair(&["a.test"]));
    let [cert, key] = [&good.cert, &good.key].map(|file| fs::read_to_string(file).unwrap());
    let part = |text: &str| text[..text.len() / 2].to_owned();
    let cases = [
        (cert.clone(), fs::read_to_string(&other.key).unwrap(), Part::Key, "is not the key of the first"),
        (key.clone(), key.clone(), Part::Cert, "has no certificate"),
        (cert.clone(), cert.clone(), Part::Key, "has no private key"),
        (cert.clone(), String::new(), Part::Key, "has no private key"),
        (String::new(), key.clone(), Part::Cert, "has no certificate"),
        (part(&cert), key.clone(), Part::Cert, "is not valid PEM"),
        (cert.clone(), part(&key), Part::Key, "is not valid PEM"),
        (cert.replace("MII", "MIJ"), key.clone(), Part::Cert, "cannot be used"),
        (cert.clone(), key.replace("MIG", "MIH"), Part::Key, "cannot be used"),
    ];
    for (cert, key, part, why) in cases {
        let (directory, files) = written(&cert, &key);
        let (found, text) = flaw(&files);
        assert!(found == part && text.contains(why), "{text}");
        assert!(text.contains(directory.path().to_str().unwrap()), "{text}");
    }
    let gone = CertificateSettings { key: "/nowhere/site.key".into(), ..good };
    assert!(flaw(&gone).1.starts_with("/nowhere/site.key cannot be read: "));
}

#[test]
fn a_certificate_counts_from_its_first_moment_to_its_last() {
    let mut params = rcgen::CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    let (_directory, files) = written(&params.self_signed(&key).unwrap().pem(), &key.serialize_pem());
    let loaded = Certificate::load(&files).unwrap();
    let at = |text| humantime::parse_rfc3339(text).unwrap();
    assert_eq!(loaded.check_date(at("2020-01-01T00:00:00Z")), Ok(()));
    assert_eq!(loaded.check_date(at("2021-01-01T00:00:00Z")), Ok(()));
    let late = loaded.check_date(at("2021-01-01T00:00:01Z")).unwrap_err();
    assert_eq!(late.to_string(), "expired on 2021-01-01T00:00:00Z");
    let early = loaded.check_date(at("2019-12-31T23:59:59Z")).unwrap_err();
    assert_eq!(early.to_string(), "not valid before 2020-01-01T00:00:00Z");
}
