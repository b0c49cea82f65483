//! OpenSSL's client, and testssl.sh, which is made of it.

use serde_json::Value;

use super::Stage;
use crate::support::clients::{Tool, testssl};
use crate::support::{Backend, Config};

#[test]
fn the_protocol_is_agreed_on_by_alpn() {
    let backend = Backend::start("a");
    let stage = Stage::start(Config::of(&[&backend], &[]));
    let ask = |offered: &[&str]| {
        let address = stage.https().to_string();
        let tool = Tool::openssl().args(["s_client", "-connect", &address, "-servername", "a.test", "-CAfile"]);
        tool.arg(&stage.authority.file).args(["-verify_return_error"]).args(offered).run()
    };
    for (offered, agreed) in [
        (&["-alpn", "h2,http/1.1"][..], "ALPN protocol: h2"),
        (&["-alpn", "http/1.1,h2"], "ALPN protocol: h2"),
        (&["-alpn", "http/1.1"], "ALPN protocol: http/1.1"),
        (&[], "No ALPN negotiated"),
    ] {
        let exit = ask(offered);
        assert!(exit.stdout.contains(agreed) && exit.stdout.contains("Verify return code: 0 (ok)"), "{exit:?}");
    }
    let exit = ask(&["-alpn", "spdy/3"]);
    assert!(exit.code != Some(0) && exit.stderr.contains("no application protocol"), "{exit:?}");
}

#[test]
fn testssl_finds_nothing_that_an_attacker_could_use() {
    let backend = Backend::start("a");
    let stage = Stage::start(Config::of(&[&backend], &[]));
    let findings = testssl(stage.https());
    let of = |id: &str| findings.iter().find(|finding| finding["id"] == id).map(|finding| &finding["severity"]);
    for (id, severity) in [("TLS1", "OK"), ("TLS1_2", "OK"), ("TLS1_3", "OK"), ("heartbleed", "OK"), ("LUCKY13", "OK")]
    {
        let severity = Value::from(severity);
        assert!(of(id).is_some_and(|found| *found == severity || found == "INFO"), "{id}: {:?}", of(id));
    }
    // `WARN` is what testssl.sh itself cannot do.
    let worse = |finding: &&Value| !["OK", "INFO", "LOW", "WARN"].contains(&finding["severity"].as_str().unwrap_or(""));
    let worse: Vec<_> = findings.iter().filter(worse).collect();
    assert!(worse.is_empty(), "{worse:?}");
}
