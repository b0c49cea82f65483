//! The strict cases of h2spec, over plain text.

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
