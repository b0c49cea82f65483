//! The foreign clients and servers themselves, against each other: what fails here is not the balancer's fault.

use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::support::certificates::Authority;
use crate::support::clients::{Pebble, Server, Tool, grpc, h2spec, testssl, websocket};
use crate::support::coalmine::text;
use crate::support::eventually;
use crate::support::eventually::eventually_some;

const MONTH: Duration = Duration::from_secs(30 * 24 * 3600);

#[test]
fn a_grpc_client_gets_through_all_scenarios_and_the_server_sees_its_cancellations() {
    let server = Server::grpc(&[]);
    let seen = grpc(&[&server.address.to_string(), "--deadline", "2"]);
    assert!(seen.len() >= 14 && seen.iter().all(|scenario| scenario["ok"] == true), "{seen:?}");
    let slept = server.wait_call("Sleep", "cancelled");
    assert!(slept["remaining"].is_number(), "{slept}");
    let cancelled = server.wait_call("Expand", "cancelled");
    // The third is counted after the client has it, if that does not cancel before.
    assert!(cancelled["sent"].as_u64() >= Some(2), "{cancelled}");
    server.wait_call("Fail", "failed");
}

#[test]
fn a_grpc_server_speaks_tls_to_those_whose_certificate_it_knows() {
    let authority = Authority::new();
    let (own, client) = (authority.server(&["localhost", "127.0.0.1"]), authority.client("tester"));
    let ca = text(&authority.file);
    let server = Server::grpc(&["--cert", text(&own.cert), "--key", text(&own.key), "--client-ca", ca]);
    let target = server.address.to_string();
    grpc(&[&target, "unary", "bidi", "--ca", ca, "--cert", text(&client.cert), "--key", text(&client.key)]);
    let stranger = Tool::python("grpc_client.py").args([&target, "unary", "--ca", ca, "--limit", "5"]).run();
    assert_eq!(stranger.code, Some(1), "{stranger:?}");
}

#[test]
fn grpcurl_finds_the_service_by_reflection_and_its_health_follows_the_switch() {
    let mut server = Server::grpc(&[]);
    let address = server.address.to_string();
    let call = |arguments: &[&str]| Tool::grpcurl().arg("-plaintext").args(arguments).output();
    assert!(call(&[&address, "list"]).contains("coalmine.test.Echo"));
    let echo = call(&["-d", "{\"text\": \"hello\"}", &address, "coalmine.test.Echo/Unary"]);
    assert_eq!(serde_json::from_str::<Value>(&echo).unwrap()["text"], "hello");
    assert!(call(&[&address, "grpc.health.v1.Health/Check"]).contains("\"SERVING\""));
    server.set_health("", "NOT_SERVING");
    assert!(call(&[&address, "grpc.health.v1.Health/Check"]).contains("\"NOT_SERVING\""));
}

#[test]
fn a_status_without_a_message_is_one_block_of_headers() {
    let server = Server::grpc(&[]);
    let call = Tool::nghttp()
        .args(["-v", "-d", "/dev/stdin", "-H", "content-type: application/grpc", "-H", "te: trailers"])
        .args(["-H", ":method: POST", &format!("http://{}/coalmine.test.Echo/Fail", server.address)])
        // No flag, five bytes: code 7, text "no".
        .input(*b"\0\0\0\0\x06\x30\x07\x0a\x02no");
    let shown = call.output();
    assert_eq!(shown.matches("recv HEADERS").count(), 1, "{shown}");
    assert!(shown.contains("grpc-status: 7") && !shown.contains("recv DATA"), "{shown}");
}

#[test]
fn a_websocket_client_gets_through_all_scenarios_and_the_server_sees_how_each_ended() {
    let server = Server::websocket(&[]);
    let seen = websocket(&[&format!("ws://{}", server.address)]);
    assert!(seen.len() >= 13 && seen.iter().all(|scenario| scenario["ok"] == true), "{seen:?}");
    let closed = server.wait_event("a clean end with 4001", |event| event["code"] == 4001);
    assert_eq!((&closed["clean"], &closed["reason"]), (&Value::from(true), &Value::from("enough")));
}

#[test]
fn a_websocket_that_is_held_tells_how_it_was_ended() {
    let authority = Authority::new();
    let own = authority.server(&["127.0.0.1"]);
    let server = Server::websocket(&["--cert", text(&own.cert), "--key", text(&own.key)]);
    let url = format!("wss://{}", server.address);
    let mut client = Tool::python("websocket_client.py").args([&url, "hold", "--ca", text(&authority.file)]).start();
    eventually("it holds a connection", || client.stdout.text().contains("held"));
    server.signal("KILL");
    let exit = client.wait();
    assert!(exit.code == Some(0) && exit.stdout.contains("\"closed\": 1006"), "{exit:?}");
}

#[test]
fn certificates_are_believed_by_name_and_while_they_are_good() {
    let authority = Authority::new();
    let verify = |cert: &std::path::Path, more: &[&str]| {
        let openssl = Tool::openssl().args(["verify", "-x509_strict", "-CAfile", text(&authority.file)]).args(more);
        openssl.arg(cert).run().code == Some(0)
    };
    let leaf = authority.server(&["www.example.org", "*.example.net", "::1"]);
    assert!(verify(&leaf.cert, &["-verify_hostname", "www.example.org"]));
    assert!(verify(&leaf.cert, &["-verify_hostname", "a.example.net", "-verify_ip", "::1"]));
    assert!(!verify(&leaf.cert, &["-verify_hostname", "other.example.org"]));
    assert!(!verify(&authority.expired(&["www.example.org"]).cert, &[]));
    let now = SystemTime::now();
    assert!(!verify(&authority.server_valid(&["www.example.org"], now + MONTH, now + 2 * MONTH).cert, &[]));
    assert!(verify(&authority.client("tester").cert, &["-purpose", "sslclient"]));
    assert!(!verify(&Authority::new().server(&["www.example.org"]).cert, &[]));
}

#[test]
fn pebble_answers_with_its_directory_and_its_root_and_again_after_a_restart() {
    let mut pebble = Pebble::start(80, MONTH);
    let directory = |pebble: &Pebble| {
        let answer = Tool::curl().arg("--cacert").arg(pebble.ca_file()).arg(&pebble.directory).run();
        serde_json::from_str::<Value>(&answer.stdout).ok()
    };
    let known = directory(&pebble).expect("it answers");
    assert!(known["newOrder"].is_string() && known["renewalInfo"].is_string(), "{known}");
    assert!(pebble.root().starts_with("-----BEGIN CERTIFICATE-----"));
    pebble.stop();
    assert_eq!(directory(&pebble), None);
    pebble.restart();
    assert!(directory(&pebble).is_some());
}

#[test]
fn h2spec_has_its_strict_cases() {
    let cases = |tool: Tool| {
        let listed = tool.arg("--dryrun").output();
        listed.lines().filter(|line| line.trim_start().starts_with(|c: char| c.is_ascii_digit())).count()
    };
    assert!(Tool::h2spec().arg("--help").output().contains("--strict"));
    assert_eq!(cases(Tool::h2spec().arg("--strict")), cases(Tool::h2spec()) + 1);
}

#[test]
fn h2spec_counts_what_a_server_does_well() {
    let server = Server::grpc(&[]);
    let found = h2spec(server.address, &["http2/6.5.2"]);
    // gRPC's own server need not pass.
    assert_eq!((found.cases, found.passed + found.failures.len()), (5, 5), "{found:?}");
    assert!(found.passed > 0, "{found:?}");
}

#[test]
fn testssl_tells_what_a_server_offers() {
    let authority = Authority::new();
    let own = authority.server(&["127.0.0.1"]);
    let server = Tool::openssl()
        .args(["s_server", "-accept", "127.0.0.1:0", "-www", "-cert", text(&own.cert), "-key", text(&own.key)])
        .start();
    let address = eventually_some("s_server listens", || {
        let told = server.stdout.text();
        told.lines().find_map(|line| line.strip_prefix("ACCEPT ")?.parse().ok())
    });
    let findings = testssl(address);
    let of = |id: &str| findings.iter().find(|finding| finding["id"] == id).map(|finding| &finding["severity"]);
    assert_eq!((of("TLS1_3"), of("heartbleed")), (Some(&Value::from("OK")), Some(&Value::from("OK"))));
    assert_eq!(of("LUCKY13"), Some(&Value::from("LOW")), "it offers CBC: {findings:?}");
}

#[test]
fn h2load_and_openssl_are_there() {
    assert!(Tool::h2load().arg("--version").output().contains("nghttp2"));
    assert!(Tool::openssl().arg("version").output().contains("OpenSSL"));
}
