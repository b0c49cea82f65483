//! Requests that become something else than a request: WebSocket over HTTP/1.1 and over HTTP/2.

use std::time::Duration;

use crate::support::certificates::Authority;
use crate::support::client::request;
use crate::support::clients::{Server, Tool, websocket, websocket_h2};
use crate::support::coalmine::{Coalmine, text};
use crate::support::door::unix;
use crate::support::frames::{END_HEADERS, Frames, HEADERS, block};
use crate::support::process::Process;
use crate::support::{Backend, Config, Connection, Latch, Script, Service, eventually, for_a_while};

const ASK: &[&str] = &[
    "Connection: keep-alive, Upgrade",
    "Upgrade: WebSocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];
const AGREED: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

/// Agrees to an upgrade and then sends back what comes.
fn mirror() -> Script {
    Script::new().send(AGREED).mirror()
}

fn mirrors(id: &str) -> Backend {
    let backend = Backend::start(id);
    backend.on("/ws", mirror());
    backend
}

/// A client's connection that has asked for an upgrade and got it.
#[track_caller]
fn tunnel(coalmine: &Coalmine) -> Connection {
    let mut connection = coalmine.connect();
    connection.send(request("GET", "/ws", ASK));
    assert_eq!(connection.receive_head().status(), 101);
    connection
}

#[track_caller]
fn echoes(tunnel: &mut Connection, text: &str) {
    tunnel.send(text);
    tunnel.receive_until(text);
}

fn tunnels(coalmine: &Coalmine) -> f64 {
    coalmine.metric("coalmine_tunnels", &[("service", "web")])
}

/// A server of somebody else, which probes at a path of its own.
fn foreign(server: &Server) -> Service {
    let service = Service::new("web").track("stable", 1, &[server.address.to_string()]);
    service.probe("timeout = \"5s\"").probe("path = \"/refuse/200\"")
}

#[test]
fn a_foreign_client_gets_through_all_scenarios() {
    let server = Server::websocket(&[]);
    let coalmine = Config::new().service(foreign(&server)).start();
    let seen = websocket(&[&format!("ws://{}", coalmine.http)]);
    assert!(seen.len() >= 13 && seen.iter().all(|scenario| scenario["ok"] == true), "{seen:?}");
    let closed = server.wait_event("a clean end with 4001", |event| event["code"] == 4001);
    assert_eq!((closed["clean"].as_bool(), closed["reason"].as_str()), (Some(true), Some("enough")));
    eventually("no tunnel is left", || tunnels(&coalmine) == 0.0);
    eventually("no request either", || coalmine.metric("coalmine_requests_in_flight", &[]) == 0.0);
}

#[test]
fn an_upgrade_is_asked_for_anew_and_bytes_go_both_ways() {
    let backend = mirrors("a");
    let coalmine = Config::of(&[&backend], &[]).start();
    let mut connection = coalmine.connect();
    connection.send(request("GET", "/ws", ASK));
    let answer = connection.receive_head();
    assert_eq!(answer.status(), 101);
    assert_eq!((answer.all("connection"), answer.all("upgrade")), (vec!["Upgrade"], vec!["websocket"]));
    let asked = backend.requests().remove(0).head;
    assert_eq!((asked.all("connection"), asked.all("upgrade")), (vec!["Upgrade"], vec!["websocket"]));
    assert_eq!(asked.get("sec-websocket-key").as_deref(), Some("dGhlIHNhbXBsZSBub25jZQ=="));
    assert_eq!(asked.get("x-forwarded-for").as_deref(), Some("127.0.0.1"));
    echoes(&mut connection, "GET / HTTP/1.1\r\n\r\n");
    let long = "x".repeat(300_000) + "y";
    echoes(&mut connection, &long);
    connection.finish();
    let rest = connection.receive_to_end().unwrap();
    assert!(rest.ends_with(b"xy"), "what was under way still comes");
    eventually("the backend sees the end", || backend.ended() == 1);
}

#[test]
fn what_follows_the_head_waits_for_the_101() {
    let backend = Backend::start("a");
    backend.on("/ws", Script::new().overhear(Duration::from_millis(500)).send(AGREED).mirror());
    let coalmine = Config::of(&[&backend], &[]).start();
    let mut connection = coalmine.connect();
    connection.send([&request("GET", "/ws", ASK)[..], "early"].concat());
    assert_eq!(connection.receive_head().status(), 101);
    assert_eq!(backend.received(), 0);
    connection.receive_until("early");
}

#[test]
fn another_answer_is_an_ordinary_one_and_its_connection_is_not_used_again() {
    let backend = Backend::start("a");
    let coalmine = Config::of(&[&backend], &[]).start();
    let mut connection = coalmine.connect();
    for (n, status) in [403, 200, 426].into_iter().enumerate() {
        backend.on("/ws", Script::answer(status, "no"));
        connection.send(request("GET", "/ws", ASK));
        let answer = connection.receive();
        assert_eq!((answer.status(), answer.text().as_str()), (status, "no"));
        assert_eq!(connection.get("/").text(), "a");
        let requests = backend.requests();
        let [.., asked, after] = &requests[..] else { panic!("{requests:?}") };
        assert_ne!(asked.connection, after.connection);
        let fresh = requests[..requests.len() - 2].iter().all(|request| request.connection != asked.connection);
        assert!(fresh, "attempt {n} took a connection that others had used");
    }
    assert_eq!(tunnels(&coalmine), 0.0);
}

#[test]
fn a_101_that_was_not_asked_for_is_a_502() {
    let backend = Backend::start("a");
    let coalmine = Config::of(&[&backend], &[]).start();
    let elsewhere = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";
    let nowhere = "HTTP/1.1 101 Switching Protocols\r\n\r\n";
    for (fields, answer) in [(ASK, elsewhere), (ASK, nowhere), (&[], AGREED), (&["Upgrade: websocket"], AGREED)] {
        backend.on("/ws", Script::new().send(answer).mirror());
        let mut connection = coalmine.connect();
        connection.send(request("GET", "/ws", fields));
        assert_eq!(connection.receive().status(), 502, "{fields:?} {answer}");
        assert_eq!(connection.get("/").text(), "a");
    }
    assert_eq!(coalmine.metric("coalmine_backend_failures_total", &[("kind", "malformed")]), 4.0);
}

#[test]
fn nothing_else_is_an_upgrade() {
    let backend = Backend::start("a");
    let coalmine = Config::of(&[&backend], &[]).start();
    let h2c = ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"];
    let closing = ["Connection: Upgrade, close", "Upgrade: websocket"];
    let with_body = [ASK, &["Content-Length: 0"]].concat();
    for (method, fields) in [("GET", &h2c[..]), ("GET", &closing), ("POST", &with_body), ("HEAD", ASK)] {
        assert_eq!(coalmine.connect().request(method, "/", fields).status(), 200);
    }
    let mut old = coalmine.connect();
    old.send(request("GET", "/", ASK).replace("HTTP/1.1", "HTTP/1.0"));
    assert_eq!(old.receive().status(), 200);
    let requests = backend.requests();
    assert_eq!(requests.len(), 5);
    for gone in ["upgrade", "connection", "http2-settings"] {
        assert!(requests.iter().all(|request| request.head.get(gone).is_none()), "{gone}: {requests:?}");
    }
}

#[test]
fn a_tunnel_over_which_nothing_goes_is_closed_at_both_ends() {
    let backend = mirrors("a");
    let service = Service::of("web", &[&backend], &[]).table("timeout", "tunnel = \"300ms\"");
    let coalmine = Config::new().service(service).start();
    let mut connection = tunnel(&coalmine);
    assert_eq!(connection.receive_to_end().unwrap(), b"");
    eventually("the backend sees the end", || backend.ended() == 1);
    eventually("it is counted", || tunnels(&coalmine) == 0.0);
}

#[test]
fn a_tunnel_has_no_deadline_of_http() {
    let backend = mirrors("a");
    let service = Service::of("web", &[&backend], &[]).table("timeout", "idle = \"100ms\"");
    let short = ["header_timeout = \"100ms\"", "idle_timeout = \"100ms\""];
    let config = Config::new().service(service);
    let coalmine = short.into_iter().fold(config, Config::listen).start();
    let mut connection = tunnel(&coalmine);
    for text in ["one", "two"] {
        for_a_while(Duration::from_millis(500));
        echoes(&mut connection, text);
    }
}

#[test]
fn a_backend_that_breaks_breaks_the_tunnel_and_one_that_ends_it_ends_it() {
    let backend = Backend::start("a");
    let coalmine = Config::of(&[&backend], &[]).start();
    let latch = Latch::shut();
    backend.on("/ws", Script::new().send(AGREED).send("last").hold(&latch).reset());
    let mut connection = tunnel(&coalmine);
    connection.receive_until("last");
    latch.open();
    let end = connection.receive_to_end();
    assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    backend.on("/ws", Script::new().send(AGREED).send("last").close());
    let mut connection = tunnel(&coalmine);
    assert_eq!(connection.receive_to_end().unwrap(), b"last");
    drop(connection);
    eventually("no tunnel is left", || tunnels(&coalmine) == 0.0);
}

#[test]
fn a_client_that_goes_away_ends_the_backends_side() {
    let backend = mirrors("a");
    let coalmine = Config::of(&[&backend], &[]).start();
    let mut reset = tunnel(&coalmine);
    echoes(&mut reset, "one");
    reset.reset();
    eventually("the backend sees the end", || backend.ended() == 1);
    let mut closed = tunnel(&coalmine);
    echoes(&mut closed, "two");
    drop(closed);
    eventually("the backend sees the end", || backend.ended() == 2);
    eventually("no tunnel is left", || tunnels(&coalmine) == 0.0);
}

#[test]
fn a_stop_lets_tunnels_go_on_for_as_long_as_drain_says() {
    let backend = mirrors("a");
    let mut coalmine = Config::of(&[&backend], &[]).start();
    let mut connection = tunnel(&coalmine);
    coalmine.process.signal("TERM");
    eventually("nobody new gets in", || Connection::try_open(coalmine.http).is_err());
    echoes(&mut connection, "still there");
    assert!(!coalmine.process.has_ended());
    drop(connection);
    assert_eq!(coalmine.process.wait().code, Some(0));

    let mut coalmine = Config::of(&[&backend], &[]).listen("drain = \"300ms\"").start();
    let mut connection = tunnel(&coalmine);
    coalmine.process.signal("TERM");
    assert_eq!(coalmine.process.wait().code, Some(0));
    // Cut, one way or the other.
    assert!(connection.receive_to_end().is_ok_and(|rest| rest.is_empty()));
}

#[test]
fn an_upgrade_during_a_lame_duck_is_one_all_the_same() {
    let backend = mirrors("a");
    let coalmine = Config::of(&[&backend], &[]).listen("lame_duck = \"60s\"").start();
    coalmine.process.signal("TERM");
    eventually("it says that it stops", || coalmine.ask("GET", "/readyz").status() == 503);
    let mut connection = coalmine.connect();
    connection.send(request("GET", "/ws", ASK));
    let answer = connection.receive_head();
    assert_eq!((answer.status(), answer.all("connection")), (101, vec!["Upgrade"]));
    echoes(&mut connection, "hello");
    let mut refused = coalmine.connect();
    refused.send(request("GET", "/", ASK));
    assert_eq!(refused.receive().status(), 200);
    assert_eq!(refused.get("/").head.get("connection").as_deref(), Some("close"));
}

#[test]
fn upgrades_are_split_as_any_request_and_survive_the_canarys_ejection() {
    let (stable, canary) = (mirrors("stable"), mirrors("canary"));
    let coalmine = Config::of(&[&stable], &[&canary]).start_admitted();
    let mut open: Vec<_> = (0..300).map(|_| tunnel(&coalmine)).collect();
    assert_eq!((stable.count(), canary.count()), (200, 100));
    let of = |track| coalmine.metric("coalmine_tunnels", &[("track", track)]);
    assert_eq!((of("stable"), of("canary")), (200.0, 100.0));
    coalmine.raise("web");
    coalmine.wait_ejected("web", "alert");
    for connection in &mut open[..6] {
        echoes(connection, "still there");
    }
    open.push(tunnel(&coalmine));
    assert_eq!((stable.count(), canary.count()), (201, 100));
    drop(open);
    eventually("no tunnel is left", || tunnels(&coalmine) == 0.0);
}

#[test]
fn an_upgrade_that_the_canary_fails_is_retried_on_stable() {
    let (stable, canary) = (mirrors("stable"), Backend::start("canary"));
    let coalmine = Config::of(&[&stable], &[&canary]).start_admitted();
    for failure in [Script::new().close(), Script::answer(503, "no"), Script::new().send("HTTP/1.1 101 x\r\n\r\n")] {
        canary.on("/ws", failure);
        for _ in 0..3 {
            echoes(&mut tunnel(&coalmine), "hello");
        }
    }
    assert_eq!((stable.count(), canary.count()), (9, 3));
}

#[test]
fn a_tunnel_keeps_its_place_at_a_backend_with_limits() {
    let backend = mirrors("a");
    for limit in ["requests = 1", "connections = 1"] {
        let service = Service::of("web", &[&backend], &[]).table("limits", limit);
        let coalmine = Config::new().service(service).start();
        let connection = tunnel(&coalmine);
        assert_eq!(coalmine.get("/").status(), 503, "{limit}");
        drop(connection);
        eventually("there is room again", || coalmine.get("/").status() == 200);
    }
}

#[test]
fn a_handshake_is_counted_at_once_and_a_tunnel_is_told_of_when_it_ends() {
    let backend = mirrors("a");
    let coalmine = Config::of(&[&backend], &[]).log("access = \"json\"").start();
    let mut connection = tunnel(&coalmine);
    echoes(&mut connection, "hello");
    let metric = |name, labels| coalmine.metric(name, labels);
    let counted = || metric("coalmine_requests_total", &[("class", "1xx"), ("backend", "a")]);
    assert_eq!((counted(), metric("coalmine_request_duration_seconds_count", &[])), (1.0, 1.0));
    assert_eq!((metric("coalmine_requests_in_flight", &[]), tunnels(&coalmine)), (1.0, 1.0));
    assert_eq!(coalmine.process.stdout.text(), "");
    connection.finish();
    connection.receive_to_end().unwrap();
    eventually("it is told of", || coalmine.process.stdout.text().contains("\"path\":\"/ws\""));
    let line: serde_json::Value = serde_json::from_str(coalmine.process.stdout.text().trim()).unwrap();
    let told = (line["status"].as_u64(), line["bytes"].as_u64(), line["canceled"].as_bool());
    assert_eq!(told, (Some(101), Some(5), Some(false)), "{line}");
    assert!(line["seconds"].as_f64().is_some_and(|seconds| seconds > 0.0), "{line}");
    eventually("both gauges fall", || metric("coalmine_requests_in_flight", &[]) + tunnels(&coalmine) == 0.0);
    assert_eq!(counted(), 1.0);
    assert_eq!(metric("coalmine_requests_total", &[]), 1.0);
}

#[test]
fn a_client_that_holds_a_tunnel_sees_that_its_server_died() {
    let server = Server::websocket(&[]);
    let coalmine = Config::new().service(foreign(&server)).start();
    let url = format!("ws://{}", coalmine.http);
    let mut client = Tool::python("websocket_client.py").args([&url, "hold"]).start();
    eventually("it holds a connection", || client.stdout.text().contains("held"));
    server.signal("KILL");
    let exit = client.wait();
    assert!(exit.code == Some(0) && exit.stdout.contains("\"closed\": 1006"), "{exit:?}");
}

#[test]
fn a_client_gets_through_all_scenarios_over_http2() {
    let server = Server::websocket(&[]);
    let coalmine = Config::new().service(foreign(&server)).start();
    let seen = websocket_h2(&[&format!("ws://{}", coalmine.http)]);
    assert!(seen.len() >= 14 && seen.iter().all(|scenario| scenario["ok"] == true), "{seen:?}");
    let closed = server.wait_event("a clean end with 4001", |event| event["code"] == 4001);
    assert_eq!((closed["clean"].as_bool(), closed["reason"].as_str()), (Some(true), Some("enough")));
    let opened = server.events().iter().filter(|event| event["event"] == "open").count();
    eventually("the server sees the end of each", || {
        server.events().iter().filter(|event| event["event"] == "closed").count() == opened
    });
    eventually("no tunnel is left", || tunnels(&coalmine) == 0.0);
    eventually("no request either", || coalmine.metric("coalmine_requests_in_flight", &[]) == 0.0);
}

/// A client that holds a tunnel over HTTP/2, and then tells how it was ended.
fn held_over_http2(coalmine: &Coalmine) -> Process {
    let url = format!("ws://{}", coalmine.http);
    let client = Tool::python("websocket_h2.py").args([&url, "hold"]).start();
    eventually("it holds a tunnel", || client.stdout.text().contains("held"));
    client
}

#[test]
fn a_tunnel_over_http2_outlasts_the_idle_timeout_of_its_connection_and_has_one_of_its_own() {
    let server = Server::websocket(&[]);
    let service = foreign(&server).table("timeout", "tunnel = \"1s\"\nidle = \"100ms\"");
    let coalmine = Config::new().service(service).listen("idle_timeout = \"100ms\"").start();
    let exit = held_over_http2(&coalmine).wait();
    // CANCEL, and the connection goes on.
    assert!(exit.stdout.contains("\"reset\": 8") && exit.stdout.contains("\"lost\": false"), "{exit:?}");
    server.wait_event("the backend sees the end", |event| event["event"] == "closed");
    eventually("no tunnel is left", || tunnels(&coalmine) == 0.0);
}

#[test]
fn a_server_that_dies_ends_the_stream_and_a_client_that_dies_ends_the_servers_side() {
    let server = Server::websocket(&[]);
    let coalmine = Config::new().service(foreign(&server)).start();
    let mut client = held_over_http2(&coalmine);
    client.kill();
    server.wait_event("the server sees the end", |event| event["event"] == "closed");
    eventually("no tunnel is left", || tunnels(&coalmine) == 0.0);
    let mut client = held_over_http2(&coalmine);
    server.signal("KILL");
    let exit = client.wait();
    assert!(exit.code == Some(0) && exit.stdout.contains("\"lost\": false"), "{exit:?}");
}

#[test]
fn a_stop_waits_for_tunnels_over_http2_as_well() {
    let server = Server::websocket(&[]);
    let mut coalmine = Config::new().service(foreign(&server)).start();
    let mut client = held_over_http2(&coalmine);
    coalmine.process.signal("TERM");
    eventually("nobody new gets in", || Connection::try_open(coalmine.http).is_err());
    for_a_while(Duration::from_millis(500));
    assert!(!coalmine.process.has_ended() && !client.has_ended());
    client.kill();
    assert_eq!(coalmine.process.wait().code, Some(0));
}

#[test]
fn a_backend_that_proves_nothing_gets_no_tunnel_over_http2() {
    let backend = Backend::start("a");
    backend.on("/", mirror());
    let coalmine = Config::of(&[&backend], &[]).start();
    let exit = Tool::python("websocket_h2.py").args([&format!("ws://{}", coalmine.http), "text"]).run();
    assert!(exit.stdout.contains("502"), "its answer has no Sec-WebSocket-Accept: {exit:?}");
}

#[test]
fn tunnels_go_over_tls_on_either_side() {
    let authority = Authority::new();
    let own = authority.server(&["127.0.0.1"]);
    let (cert, key, ca) = (text(&own.cert), text(&own.key), text(&authority.file));
    let server = Server::websocket(&["--cert", cert, "--key", key]);
    let service = Service::new("web")
        .track("stable", 1, &[format!("https://{}", server.address)])
        .table("stable.tls", &format!("ca_file = \"{ca}\""))
        .probe("timeout = \"5s\"")
        .probe("path = \"/refuse/200\"");
    let certificate = format!("cert = \"{cert}\"\nkey = \"{key}\"");
    let config = Config::new().service(service).listen("https = [\"127.0.0.1:0\"]").certificate(&certificate);
    let coalmine = config.start();
    let url = format!("wss://{}", coalmine.listeners("https")[0]);
    for seen in [websocket(&[&url, "--ca", ca]), websocket_h2(&[&url, "--ca", ca])] {
        assert!(seen.len() >= 13 && seen.iter().all(|scenario| scenario["ok"] == true), "{seen:?}");
    }
    eventually("no tunnel is left", || tunnels(&coalmine) == 0.0);
}

#[test]
fn a_tunnel_goes_to_a_unix_socket() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.sock");
    let backend = mirrors("a");
    let _door = unix(&path, backend.address);
    let web = Service::new("web").track("stable", 1, &[format!("unix:{}", path.display())]).probe("timeout = \"5s\"");
    let coalmine = Config::new().service(web).start();
    let mut connection = tunnel(&coalmine);
    echoes(&mut connection, "hello");
    drop(connection);
    eventually("the backend sees the end", || backend.ended() == 1);
}

#[test]
fn a_refusal_of_grpc_is_no_tunnel_over_http2() {
    let backend = Backend::start("a");
    let coalmine = Config::of(&[&backend], &[]).start();
    let mut client = Frames::open(coalmine.http, &[]);
    let fields = [(":method", "CONNECT"), (":protocol", "other"), (":scheme", "http"), (":authority", "test")];
    let rest = [(":path", "/"), ("content-type", "application/grpc")];
    client.send(HEADERS, END_HEADERS, 1, &block(&[&fields[..], &rest].concat())).unwrap();
    let answer = client.next_of(HEADERS).unwrap();
    // By the index of the whole field (RFC 7541, appendix A).
    assert_ne!(answer.payload[0], 0x88, "200: the client would take it for a tunnel");
}
