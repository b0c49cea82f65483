//! gRPC by grpcio and grpcurl, through the balancer, to servers of grpcio.

use std::time::Duration;

use serde_json::Value;

use super::Stage;
use crate::support::backend::Refusing;
use crate::support::certificates::Authority;
use crate::support::clients::{Server, Tool, grpc};
use crate::support::coalmine::text;
use crate::support::eventually::within;
use crate::support::{Config, Service, eventually};

/// Ten seconds, and some for a busy machine.
const WAIVER: Duration = Duration::from_secs(60);
const UNARY: &str = "/coalmine.test.Echo/Unary";

/// Runs all scenarios by these arguments, and looks at what the server has seen of them.
#[track_caller]
fn assert_all_scenarios(server: &Server, arguments: &[&str]) {
    let seen = grpc(&[arguments, &["--deadline", "2"]].concat());
    assert!(seen.len() >= 14 && seen.iter().all(|scenario| scenario["ok"] == true), "{seen:?}");
    let slept = server.wait_call("Sleep", "cancelled");
    let remaining = slept["remaining"].as_f64().expect("the deadline passes");
    assert!(remaining < 3.0, "{slept}");
    server.wait_call("Expand", "cancelled");
    server.wait_call("Fail", "failed");
}

#[test]
fn all_scenarios_pass_on_plain_text_from_end_to_end() {
    let server = Server::grpc(&[]);
    let stage = Stage::start(Config::new().service(before(&[&server], &[])));
    assert_all_scenarios(&server, &[&stage.http().to_string()]);
}

#[test]
fn all_scenarios_pass_over_tls_from_end_to_end() {
    let authority = Authority::new();
    let own = authority.server(&["127.0.0.1"]);
    let server = Server::grpc(&["--cert", text(&own.cert), "--key", text(&own.key)]);
    let lines = format!("h2 = true\nbackends = [\"https://{}\"]", server.address);
    let trusted = format!("ca_file = \"{}\"", authority.file.display());
    let service = Service::new("web").table("stable", &lines).table("stable.tls", &trusted);
    let service = service.probe("kind = \"grpc\"").probe("timeout = \"5s\"");
    let stage = Stage::start_by(authority, Config::new().service(service));
    assert_all_scenarios(&server, &[&stage.https().to_string(), "--ca", text(&stage.authority.file)]);
}

#[test]
fn grpcurl_finds_the_service_by_reflection() {
    let server = Server::grpc(&[]);
    let stage = Stage::start(Config::new().service(before(&[&server], &[])));
    let plain = (vec!["-plaintext"], stage.http().to_string());
    let secure = (vec!["-cacert", text(&stage.authority.file)], stage.https().to_string());
    for (flags, address) in [plain, secure] {
        let call = |arguments: &[&str]| Tool::grpcurl().args(&flags).args(arguments).output();
        assert!(call(&[&address, "list"]).contains("coalmine.test.Echo"));
        let echo = call(&["-d", "{\"text\": \"hello\"}", &address, "coalmine.test.Echo/Unary"]);
        assert_eq!(serde_json::from_str::<Value>(&echo).unwrap()["text"], "hello");
    }
}

#[test]
fn three_hundred_calls_are_split_exactly() {
    let (stable, canary) = (Server::grpc(&[]), Server::grpc(&[]));
    let stage = Stage::start(Config::new().service(before(&[&stable], &[&canary])));
    stage.coalmine.wait_admitted("web");
    // A hundred calls each, all at once.
    grpc(&[&stage.http().to_string(), "concurrent", "concurrent", "concurrent"]);
    eventually("all are told", || calls(&stable) + calls(&canary) == 300);
    assert_eq!((calls(&stable), calls(&canary)), (200, 100));
}

#[test]
fn a_canary_that_says_it_does_not_serve_is_out_until_it_says_it_does() {
    let (stable, mut canary) = (Server::grpc(&[]), Server::grpc(&[]));
    // A probe that a busy machine delays is no verdict.
    let service = before(&[&stable], &[&canary]).quick_probes().probe("fall = 3");
    let stage = Stage::start(Config::new().service(service));
    stage.coalmine.wait_admitted("web");
    canary.set_health("", "NOT_SERVING");
    stage.coalmine.wait_ejected("web", "probe");
    let before = calls(&canary);
    grpc(&[&stage.http().to_string(), "concurrent"]);
    assert_eq!(calls(&canary), before);
    canary.set_health("", "SERVING");
    eventually("its way back hangs on a trial", || stage.coalmine.reasons("web") == ["trial"]);
    // No call can be the trial, so it is waived; and what is no call does not spoil it.
    assert_ne!(stage.coalmine.get("/").status(), 200);
    grpc(&[&stage.http().to_string(), "concurrent"]);
    within(WAIVER, || stage.coalmine.is_admitted("web").then_some(())).expect("it is admitted");
    grpc(&[&stage.http().to_string(), "concurrent"]);
    eventually("it gets calls again", || calls(&canary) > before);
}

#[test]
fn a_canary_that_fails_calls_is_out_and_one_that_finds_nothing_is_not() {
    const NOT_FOUND: u8 = 5;
    const INTERNAL: u8 = 13;
    const UNAVAILABLE: u8 = 14;
    let (stable, mut canary) = (Server::grpc(&[]), Server::grpc(&[]));
    let service = before(&[&stable], &[&canary]);
    let service = service.table("outlier", "base_ejection = \"5m\"\nmax_ejection = \"5m\"");
    let config = Config::new().service(service);
    for (code, ejected) in [(NOT_FOUND, false), (INTERNAL, true), (UNAVAILABLE, true)] {
        canary.set_failing(code);
        let stage = Stage::start(config.clone());
        stage.coalmine.wait_admitted("web");
        let failures = || call(&stage, UNARY, b"", 60).matches(&format!("grpc-status: {code}")).count();
        let first = failures();
        if ejected {
            stage.coalmine.wait_ejected("web", "live");
            assert_eq!(stage.coalmine.reasons("web"), ["live"], "{code}");
        }
        let expected = if ejected { (first.max(1), 0) } else { (20, 20) };
        assert_eq!((first, failures()), expected, "{code}");
    }
}

#[test]
fn a_refusal_is_a_status_in_one_block_of_headers() {
    let nobody = Refusing::start();
    let lines = format!("h2 = true\nbackends = [\"{}\"]", nobody.address);
    let stage = Stage::start(Config::new().service(Service::new("web").table("stable", &lines)));
    for (address, flags) in [(stage.http(), vec![]), (stage.https(), vec!["--ca", text(&stage.authority.file)])] {
        let client = Tool::python("grpc_client.py").arg(address.to_string()).arg("unary").args(flags).run();
        assert_eq!(client.code, Some(1), "{client:?}");
        assert!(client.stdout.contains("UNAVAILABLE") && client.stdout.contains("502 bad gateway"), "{client:?}");
    }
    let shown = call(&stage, UNARY, b"", 1);
    assert_eq!(shown.matches("recv HEADERS").count(), 1, "{shown}");
    assert!(shown.contains(":status: 200") && shown.contains("grpc-status: 14"), "{shown}");
    assert!(!shown.contains("recv DATA"), "{shown}");
}

/// A service that asks the standard health service of these.
fn before(stable: &[&Server], canary: &[&Server]) -> Service {
    let lines = |weight: u16, servers: &[&Server]| {
        let backends: Vec<_> = servers.iter().map(|server| format!("\"{}\"", server.address)).collect();
        format!("weight = {weight}\nh2 = true\nbackends = [{}]", backends.join(", "))
    };
    let service = Service::new("web").table("stable", &lines(2, stable));
    let service = if canary.is_empty() { service } else { service.table("canary", &lines(1, canary)) };
    service.probe("kind = \"grpc\"").probe("timeout = \"5s\"")
}

/// How many calls of `Unary` have ended well.
fn calls(server: &Server) -> usize {
    let told = server.events();
    told.iter().filter(|event| event["method"] == "Unary" && event["end"] == "ok").count()
}

/// Makes `times` calls at once with this message, and shows the frames.
#[track_caller]
fn call(stage: &Stage, path: &str, message: &[u8], times: usize) -> String {
    let framed = [&[0, 0, 0, 0, message.len() as u8], message].concat();
    let tool = Tool::nghttp().args(["-v", "-d", "/dev/stdin", "-m", &times.to_string()]);
    let tool = tool.args(["-H", "content-type: application/grpc", "-H", "te: trailers", "-H", ":method: POST"]);
    tool.arg(format!("http://{}{path}", stage.http())).input(framed).output()
}
