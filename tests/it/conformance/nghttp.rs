//! nghttp: trailers, both ways, to backends of either version.

use super::Stage;
use crate::support::clients::Tool;
use crate::support::{Backend, Config, Deed, H2Backend, Script, Service};

#[test]
fn trailers_pass_in_both_directions() {
    let backend = Backend::start("a");
    backend.on("/t", Script::new().echo_chunked());
    let stage = Stage::start(Config::of(&[&backend], &[]));
    for url in stage.urls() {
        let shown = post(&format!("{url}/t"));
        assert!(shown.contains("x-length: 3"), "{shown}");
        let request = backend.requests().pop().unwrap();
        assert_eq!(request.body.bytes, b"abc");
        assert!(shown.contains("x-check: 5"), "the backend got it, and shows it: {shown}");
    }
}

#[test]
fn trailers_pass_to_a_backend_of_http_2() {
    let backend = H2Backend::start();
    backend.on("/t", Deed::Trailers { text: "seven", framed: false });
    let lines = format!("h2 = true\nbackends = [\"{}\"]", backend.address);
    let service = Service::new("web").table("stable", &lines).probe("timeout = \"5s\"");
    let stage = Stage::start(Config::new().service(service));
    for url in stage.urls() {
        let shown = post(&format!("{url}/t"));
        assert!(shown.contains("x-sum: 7") && shown.contains("seven"), "{shown}");
        let request = backend.requests().pop().unwrap();
        assert_eq!((&request.body[..], &request.trailers["x-check"].as_bytes()), (&b"abc"[..], &&b"5"[..]));
    }
}

fn post(url: &str) -> String {
    let tool = Tool::nghttp().args(["-v", "--no-verify-peer", "-d", "/dev/stdin", "--trailer", "x-check: 5"]);
    tool.args(["-H", "te: trailers", url]).input("abc").output()
}
