//! curl, in every version of HTTP that it speaks, over plain text and TLS.

use super::Stage;
use crate::support::clients::Tool;
use crate::support::{Backend, Config, Script};

/// A flag of curl, and the version of the answer on plain text and over TLS. What asks to be upgraded to HTTP/2 by a
/// field is answered in the version in which it asked (RFC 9113, 3.1).
const VERSIONS: [(&str, [&str; 2]); 4] = [
    ("--http1.0", ["1", "1"]),
    ("--http1.1", ["1.1", "1.1"]),
    ("--http2", ["1.1", "2"]),
    ("--http2-prior-knowledge", ["2", "2"]),
];

#[test]
fn every_version_is_answered_on_both_listeners() {
    let backend = Backend::start("a");
    backend.on("/count", Script::new().read_body().send("HTTP/1.1 201 x\r\nContent-Length: 5\r\n\r\ndone\n"));
    let stage = Stage::start(Config::of(&[&backend], &[]));
    let body = "0123456789abcdef".repeat(20_000);
    for (flag, versions) in VERSIONS {
        for (url, version) in stage.urls().iter().zip(versions) {
            let curl = || {
                let tool = Tool::curl().arg("--cacert").arg(&stage.authority.file).arg(flag);
                tool.args(["--write-out", "%{http_version} %{http_code}"])
            };
            assert_eq!(curl().arg(format!("{url}/")).output(), format!("a{version} 200"), "{flag} {url}");
            let head = curl().args(["--head", "--output", "/dev/null"]).arg(format!("{url}/")).output();
            assert_eq!(head, format!("{version} 200"), "{flag} {url}");
            let count = format!("{url}/count");
            let upload = curl().args(["--data-binary", "@-", &count]).input(body.clone()).output();
            assert_eq!(upload, format!("done\n{version} 201"), "{flag} {url}");
            assert!(backend.requests().last().unwrap().body.bytes == body.as_bytes(), "{flag} {url}");
        }
    }
}

#[test]
fn an_upload_of_unknown_length_arrives_whole() {
    let backend = Backend::start("a");
    backend.on("/count", Script::answer(200, "done"));
    let stage = Stage::start(Config::of(&[&backend], &[]));
    let body = "x".repeat(300_000);
    // HTTP/1.0 has no way to say it.
    for (flag, _) in &VERSIONS[1..] {
        for url in stage.urls() {
            let curl = Tool::curl().arg("--cacert").arg(&stage.authority.file).args([flag, "--upload-file", "-"]);
            assert_eq!(curl.arg(format!("{url}/count")).input(body.clone()).output(), "done", "{flag} {url}");
            assert!(backend.requests().last().unwrap().body.bytes == body.as_bytes(), "{flag} {url}");
        }
    }
}
