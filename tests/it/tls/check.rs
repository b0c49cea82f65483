//! What `coalmine check` says of certificates, and what a start refuses.

use std::fs;

use super::lines;
use crate::support::certificates::{Authority, Certificate};
use crate::support::coalmine::{run, text};
use crate::support::config::written;
use crate::support::process::Exit;

const SERVICE: &str = "[[service]]\nname = \"web\"\nstable.backends = [\"10.0.0.1:80\"]\n";

#[test]
fn tls_without_a_certificate_names_both_ways_to_get_one() {
    let said = refused("");
    assert!(said.contains("tls.certificate: ") && said.contains("no certificate to show"), "{said}");
    assert!(said.contains("[[tls.certificate]]") && said.contains("[tls.acme]"), "{said}");
}

#[test]
fn the_file_and_the_reason_are_named_with_a_remedy() {
    let authority = Authority::new();
    let [site, other] = [(); 2].map(|()| authority.server(&["a.test", "*.b.test"]));
    let empty = Certificate { cert: authority.file.with_file_name("empty.pem"), ..site.clone() };
    fs::write(&empty.cert, "").unwrap();
    let gone = Certificate { key: authority.file.with_file_name("gone.key"), ..site.clone() };
    let cases = [
        (Certificate { key: other.key.clone(), ..site.clone() }, "key: ", "is not the key of the first certificate"),
        (gone, "key: ", "gone.key cannot be read: No such file"),
        (empty, "cert: ", "empty.pem has no certificate"),
        (Certificate { key: site.cert.clone(), ..site.clone() }, "key: ", "has no private key"),
    ];
    for (pair, key, why) in cases {
        let said = refused(&lines(&pair));
        assert!(said.contains(&format!("tls.certificate[0].{key}")) && said.contains(why), "{said}");
        assert!(said.contains("; name "), "there is a remedy: {said}");
    }
    let said = refused(&format!("{}\nhosts = [\"a.test\", \"c.test\"]", lines(&site)));
    assert!(said.contains("tls.certificate[0].hosts: ") && said.contains("is not for `c.test`, but for"), "{said}");
    let said = refused("cert = \"\"\nhosts = [\"a b\"]");
    for key in ["cert: there is no file", "key: there is no file", "hosts[0]: `a b`: "] {
        assert!(said.contains(&format!("tls.certificate[0].{key}")), "{said}");
    }
    let twice = format!(
        "{0}\nhosts = [\"a.test\"]\n[[tls.certificate]]\n{0}\nhosts = [\"x.b.test\", \"a.test\"]",
        lines(&site)
    );
    let said = refused(&twice);
    assert!(said.contains("tls.certificate[1].hosts[1]: `a.test`: `tls.certificate[0]` is for this host"), "{said}");
}

#[test]
fn a_certificate_out_of_date_is_a_mistake() {
    let authority = Authority::new();
    let site = authority.expired(&["a.test"]);
    let said = refused(&lines(&site));
    assert!(said.contains("tls.certificate[0].cert: ") && said.contains("out of date: expired on 20"), "{said}");
    assert!(said.contains(&site.cert.display().to_string()) && said.contains("renewed"), "{said}");
}

#[test]
fn a_good_one_is_shown() {
    let authority = Authority::new();
    let site = authority.server(&["a.test"]);
    let exit = check(&lines(&site));
    assert_eq!(exit.code, Some(0), "{exit:?}");
    assert!(exit.stdout.contains("[[tls.certificate]]\ncert = "), "{}", exit.stdout);
}

#[test]
fn a_start_refuses_what_can_not_be_shown() {
    let authority = Authority::new();
    let [site, other] = [(); 2].map(|()| authority.server(&["a.test"]));
    let (_directory, path) = written(&config(&lines(&Certificate { key: other.key, ..site })));
    let exit = run(&["serve", "-c", text(&path)]);
    assert!(exit.code != Some(0) && exit.stderr.contains("is not the key of"), "{exit:?}");
}

/// What is said of a configuration with this one certificate, which is refused.
#[track_caller]
fn refused(certificate: &str) -> String {
    let exit = check(certificate);
    assert_eq!(exit.code, Some(2), "{exit:?}");
    exit.stderr
}

#[track_caller]
fn check(certificate: &str) -> Exit {
    let (_directory, path) = written(&config(certificate));
    run(&["check", "-c", text(&path)])
}

fn config(certificate: &str) -> String {
    let certificate =
        if certificate.is_empty() { String::new() } else { format!("[[tls.certificate]]\n{certificate}\n") };
    format!("[listen]\nhttp = []\nhttps = [\"127.0.0.1:0\"]\n{certificate}{SERVICE}")
}
