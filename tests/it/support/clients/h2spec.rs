//! h2spec: how a server keeps the rules of HTTP/2 and HPACK.

use std::net::SocketAddr;

use super::Tool;

/// What it found.
#[derive(Debug)]
pub(crate) struct Conformance {
    pub(crate) cases: usize,
    pub(crate) passed: usize,
    pub(crate) failures: Vec<Failure>,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Failure {
    /// With its section, such as `6.7. PING: 4: Sends ...`.
    pub(crate) case: String,
    /// What was expected and what came. `connection reset by peer` is an end of the connection with bytes unread;
    /// cases that want an end take a close alone.
    pub(crate) reason: String,
}

/// Runs the strict cases, with flags such as `--tls`, `--insecure`, `--path`, or sections such as `http2/6.5`.
#[track_caller]
pub(crate) fn h2spec(server: SocketAddr, flags: &[&str]) -> Conformance {
    let tool = Tool::h2spec()
        .args(["--strict", "--host", &server.ip().to_string(), "--port", &server.port().to_string()])
        // Seconds for each frame that is awaited: a case that fails may take them, one that passes does not.
        .args(["--timeout", "10"])
        .args(flags);
    // Its exit code tells whether a case failed.
    let exit = tool.run();
    parse(&exit.stdout).unwrap_or_else(|| panic!("h2spec did not come to its end: {exit:?}"))
}

fn parse(text: &str) -> Option<Conformance> {
    let summary = text.lines().rev().find(|line| line.contains(" tests, "))?;
    let mut counts = summary.split(", ").map(|part| part.split(' ').next()?.parse().ok());
    let (cases, passed) = (counts.next()??, counts.next()??);
    let listed = text.split_once("\nFailures:").map_or("", |(_, listed)| listed);
    let listed = listed.split("\nFinished in").next().unwrap_or_default();
    Some(Conformance { cases, passed, failures: failures(listed) })
}

fn failures(listed: &str) -> Vec<Failure> {
    let (mut found, mut section): (Vec<Failure>, _) = (Vec::new(), "");
    for line in listed.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(title) = line.strip_prefix("× ") {
            found.push(Failure { case: format!("{section}: {title}"), reason: String::new() });
        } else if line.starts_with(|first: char| first.is_ascii_digit()) {
            section = line;
        } else if let Some(failure) = found.last_mut() {
            let space = if failure.reason.is_empty() { "" } else { " " };
            failure.reason.extend([space, line]);
        }
    }
    found
}

#[test]
fn failures_are_read_with_their_sections_and_reasons() {
    let text = "junk\nFailures: \n\nHypertext Transfer Protocol Version 2 (HTTP/2)\n  6. Frame Definitions\n    6.7. PING\n      \
                × 4: Sends a PING\n        -> The endpoint MUST\n           Expected: GOAWAY\n             Actual: Timeout\n\n\
                Finished in 3.9602 seconds\n146 tests, 145 passed, 0 skipped, 1 failed\n";
    let found = parse(text).unwrap();
    assert_eq!((found.cases, found.passed), (146, 145));
    let reason = "-> The endpoint MUST Expected: GOAWAY Actual: Timeout";
    assert_eq!(found.failures, [Failure { case: "6.7. PING: 4: Sends a PING".into(), reason: reason.into() }]);
    assert!(parse("Error: dial tcp: connection refused\n").is_none());
}
