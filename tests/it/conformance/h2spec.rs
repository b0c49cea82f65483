//! The strict cases of h2spec.

use crate::support::certificates::Authority;
use crate::support::clients::h2spec;
use crate::support::{Backend, Config};

#[test]
fn h2spec_finds_nothing_over_plain_text() {
    let backend = Backend::start("a");
    let coalmine = Config::of(&[&backend], &[]).start();
    let conformance = h2spec(coalmine.http, &[]);
    assert!(conformance.cases >= 146, "{conformance:?}");
    // A port that speaks both versions answers what is no preface in HTTP/1.1, and closes the connection.
    let others: Vec<_> = conformance
        .failures
        .iter()
        .filter(|failure| {
            let case = failure.case.contains("3.5. ") && failure.case.contains("Sends invalid connection preface");
            !(case && failure.reason.contains("looked like an HTTP/1.1 header"))
        })
        .collect();
    assert!(others.is_empty(), "{others:?}");
}

#[test]
fn h2spec_finds_nothing_over_tls() {
    let (authority, backend) = (Authority::new(), Backend::start("a"));
    let own = authority.server(&["localhost", "127.0.0.1"]);
    let lines = format!("cert = \"{}\"\nkey = \"{}\"", own.cert.display(), own.key.display());
    let config = Config::of(&[&backend], &[]).listen("https = [\"127.0.0.1:0\"]").certificate(&lines);
    let coalmine = config.start();
    let conformance = h2spec(coalmine.listeners("https")[0], &["--tls", "--insecure"]);
    assert!(conformance.cases >= 146 && conformance.failures.is_empty(), "{conformance:?}");
}
