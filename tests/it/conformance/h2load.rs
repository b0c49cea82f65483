//! h2load: many streams of many connections at once, in every version, over plain text and TLS.

use super::Stage;
use crate::support::clients::Tool;
use crate::support::{Backend, Config};

const REQUESTS: usize = 600;

#[test]
fn every_request_of_every_kind_of_connection_is_answered() {
    let (stable, canary) = (Backend::start("stable"), Backend::start("canary"));
    let stage = Stage::start(Config::of(&[&stable], &[&canary]).listen("workers = 2"));
    stage.coalmine.wait_admitted("web");
    let mut kinds = 0;
    for url in stage.urls() {
        for version in [None, Some("--h1")] {
            let url = format!("{url}/");
            let n = REQUESTS.to_string();
            let told = Tool::h2load().args(version).args(["-n", &n, "-c", "6", "-m", "10", &url]).output();
            let all = format!("{n} succeeded, 0 failed, 0 errored, 0 timeout");
            assert!(told.contains(&all) && told.contains(&format!("status codes: {n} 2xx")), "{url} {told}");
            let protocol = if version.is_some() { "http/1.1" } else { "h2" };
            assert!(told.contains("Application protocol: ") && told.contains(protocol), "{url} {told}");
            kinds += 1;
            assert_eq!(canary.count(), kinds * REQUESTS / 3, "the split is exact: {url} {protocol}");
        }
    }
    assert_eq!(stable.count() + canary.count(), kinds * REQUESTS);
}
