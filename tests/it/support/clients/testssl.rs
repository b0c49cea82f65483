//! testssl.sh: what a TLS server offers, and which known attacks it is open to.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;

use super::Tool;

/// Protocols, kinds of ciphers, known vulnerabilities: 40 s against `openssl s_server`, most of them waiting.
const CHECKS: &[&str] = &["--protocols", "--std", "--vulnerable"];
const PATIENCE: Duration = Duration::from_secs(300);

/// Gives the findings, objects of `id`, `severity` (`OK`, `INFO`, `LOW`, ... `CRITICAL`) and `finding`.
#[track_caller]
pub(crate) fn testssl(server: SocketAddr) -> Vec<Value> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("findings.json");
    let tool = Tool::named("testssl")
        .args(["--quiet", "--color", "0", "--warnings", "off", "--nodns", "none"])
        .args(["--connect-timeout", "10", "--openssl-timeout", "10"])
        .args(CHECKS)
        .arg("--jsonfile")
        .arg(&file)
        .arg(server.to_string());
    // Its exit code counts what it found.
    let exit = tool.within(PATIENCE).run();
    let text = fs::read_to_string(&file).unwrap_or_default();
    let findings: Vec<Value> = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {exit:?}"));
    assert!(findings.iter().any(|finding| finding["id"] == "scanTime"), "it did not come to its end: {exit:?}");
    findings
}
