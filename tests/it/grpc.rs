//! gRPC: its status, its deadline, and refusals that its clients understand.

use http::{Method, Request};

use crate::support::backend::Refusing;
use crate::support::coalmine::Coalmine;
use crate::support::http2::{Answer, Http2, with};
use crate::support::{Backend, Config, Script, Service, eventually};

#[test]
fn a_status_in_trailers_or_in_the_head_arrives() {
    let backend = Backend::start("a");
    backend.on("/x.Y/Trailers", status_in_trailers(5));
    backend.on("/x.Y/Head", status_in_head(5));
    let coalmine = Config::of(&[&backend], &[]).start();
    let client = Http2::open(coalmine.http);
    let answer = ask(&client, "/x.Y/Trailers", &[]);
    assert_eq!((answer.body.as_slice(), answer.trailer("grpc-status")), (&b"\0\0\0\0\0"[..], Some("5")));
    let answer = ask(&client, "/x.Y/Head", &[]);
    assert_eq!((answer.body.len(), answer.headers["grpc-status"].as_bytes()), (0, &b"5"[..]));
    assert!(answer.trailers.is_none());
}

#[test]
fn a_status_that_speaks_against_the_backend_ejects_the_canary() {
    for script in [status_in_trailers(14), status_in_head(13)] {
        let (_backends, coalmine) = with_canary(script);
        let client = Http2::open(coalmine.http);
        eventually("the canary is out", || {
            assert_eq!(ask(&client, "/x.Y/Z", &[]).status, 200);
            !coalmine.is_admitted("web")
        });
        assert_eq!(coalmine.reasons("web"), ["live"]);
    }
}

#[test]
fn a_status_that_the_client_brought_about_does_not() {
    for script in [status_in_trailers(4), status_in_head(12)] {
        let (backends, coalmine) = with_canary(script);
        let client = Http2::open(coalmine.http);
        while backends[1].count() < 50 {
            assert_eq!(ask(&client, "/x.Y/Z", &[]).status, 200);
        }
        assert!(coalmine.is_admitted("web"));
    }
}

#[test]
fn the_deadline_of_a_call_ends_the_wait_and_is_not_the_backends_fault() {
    let backend = Backend::start("a");
    backend.on("/x.Y/Z", Script::new().read_body().await_end());
    let coalmine = Config::of(&[&backend], &[]).start();
    let answer = ask(&Http2::open(coalmine.http), "/x.Y/Z", &[("grpc-timeout", "200m")]);
    assert_refused(&answer, 4, "504 gateway timeout: deadline");
    assert_eq!(backend.requests()[0].head.get("grpc-timeout").as_deref(), Some("200m"));
    eventually("the backend sees the end", || backend.ended() == 1);
    assert_eq!(coalmine.metric("coalmine_backend_failures_total", &[]), 0.0);
}

#[test]
fn a_timeout_of_the_service_that_is_shorter_is_unavailable() {
    let backend = Backend::start("a");
    backend.on("/x.Y/Z", Script::new().read_body().await_end());
    let service = Service::of("web", &[&backend], &[]).table("timeout", "response = \"200ms\"");
    let coalmine = Config::new().service(service).start();
    let answer = ask(&Http2::open(coalmine.http), "/x.Y/Z", &[("grpc-timeout", "1H")]);
    assert_refused(&answer, 14, "504 gateway timeout: timeout");
    assert_eq!(coalmine.metric("coalmine_backend_failures_total", &[("kind", "timeout")]), 1.0);
}

#[test]
fn a_refusal_is_a_status_of_its_own() {
    let nobody = Refusing::start();
    let service = Service::new("web").key("hosts = [\"test\"]").track("stable", 1, &[nobody.address]);
    let coalmine = Config::new().service(service).start();
    let client = Http2::open(coalmine.http);
    assert_refused(&ask(&client, "/x.Y/Z", &[]), 14, "502 bad gateway: connect");
    let mut elsewhere = call("/x.Y/Z", &[]);
    *elsewhere.uri_mut() = "http://elsewhere/x.Y/Z".parse().unwrap();
    assert_refused(&client.begin(elsewhere, true).answer().unwrap(), 12, "404 not found: no service");
    assert_eq!(coalmine.metric("coalmine_requests_total", &[("class", "5xx")]), 1.0, "it counts as what it is");
    assert_eq!(client.get("/").status, 502, "others are told by HTTP");
}

#[test]
fn a_call_that_breaks_off_never_looks_complete() {
    let backend = Backend::start("a");
    let head =
        "HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n\0\0\0\0\0\r\n";
    backend.on("/x.Y/Z", Script::new().read_body().send(head).close());
    let coalmine = Config::of(&[&backend], &[]).start();
    let client = Http2::open(coalmine.http);
    match client.begin(call("/x.Y/Z", &[]), true).answer() {
        Err(error) => assert!(error.is_reset(), "{error}"),
        Ok(answer) => assert_refused(&answer, 14, "502 bad gateway: body"),
    }
}

fn call(path: &str, fields: &[(&str, &str)]) -> Request<()> {
    let mut all = vec![("content-type", "application/grpc+proto"), ("te", "trailers")];
    all.extend(fields);
    with(Method::POST, path, &all)
}

/// A call with one empty message.
#[track_caller]
fn ask(client: &Http2, path: &str, fields: &[(&str, &str)]) -> Answer {
    let mut exchange = client.begin(call(path, fields), false);
    exchange.send_whole(&b"\0\0\0\0\0"[..]);
    exchange.answer().unwrap()
}

#[track_caller]
fn assert_refused(answer: &Answer, code: u8, message: &str) {
    let field = |name: &str| answer.headers.get(name).and_then(|value| value.to_str().ok());
    assert_eq!((answer.status.as_u16(), field("content-type")), (200, Some("application/grpc")), "{answer:?}");
    assert_eq!((field("grpc-status"), field("grpc-message")), (Some(code.to_string().as_str()), Some(message)));
    assert!(answer.body.is_empty() && answer.trailers.is_none(), "{answer:?}");
}

fn status_in_trailers(code: u8) -> Script {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nTransfer-Encoding: chunked\r\n\r\n";
    Script::new().read_body().send(format!("{head}5\r\n\0\0\0\0\0\r\n0\r\ngrpc-status: {code}\r\n\r\n"))
}

fn status_in_head(code: u8) -> Script {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nContent-Length: 0";
    Script::new().read_body().send(format!("{head}\r\ngrpc-status: {code}\r\n\r\n"))
}

/// A balancer whose canary answers calls like that, and both backends.
fn with_canary(script: Script) -> ([Backend; 2], Coalmine) {
    let (stable, canary) = (Backend::start("stable"), Backend::start("canary"));
    stable.on("", status_in_trailers(0));
    canary.on("", script);
    let service = Service::of("web", &[&stable], &[&canary]).quick_probes();
    let service = service.table("outlier", "base_ejection = \"5m\"\nmax_ejection = \"5m\"");
    let coalmine = Config::new().service(service).start_admitted();
    ([stable, canary], coalmine)
}
