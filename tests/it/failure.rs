//! Every failure of a backend ends in 502, 503 or 504 that names its kind, or in a body that is plainly broken off.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use crate::support::backend::Refusing;
use crate::support::client::{Broken, Response, request};
use crate::support::coalmine::Coalmine;
use crate::support::eventually::DEADLINE;
use crate::support::{Backend, Config, Script, Service, eventually, for_a_while};

#[test]
fn a_refused_connection_is_502_connect() {
    let nobody = Refusing::start();
    let coalmine = Config::new().service(Service::new("web").track("stable", 1, &[nobody.address])).start();
    assert_failure(&coalmine.get("/"), 502, "connect");
    let address = nobody.address.to_string();
    let labels = [("kind", "connect"), ("backend", address.as_str()), ("track", "stable")];
    assert_eq!(coalmine.metric("coalmine_backend_failures_total", &labels), 1.0);
    assert_eq!(coalmine.metric("coalmine_requests_total", &[("class", "5xx"), ("backend", address.as_str())]), 1.0);
}

#[test]
fn a_connection_that_is_never_taken_is_given_up_after_the_connect_timeout() {
    let full = Full::start();
    let service = Service::new("web").track("stable", 1, &[full.address]).table("timeout", "connect = \"200ms\"");
    let coalmine = Config::new().service(service).start();
    let response = coalmine.get("/");
    assert!(matches!(response.status(), 502 | 504), "{response:?}");
    assert!(response.text().contains("connect"), "{}", response.text());
}

#[test]
fn a_connection_whose_first_packet_is_lost_costs_a_second_and_no_error() {
    let full = Full::start();
    let coalmine = Config::new().service(Service::new("web").track("stable", 1, &[full.address])).start();
    let mut client = coalmine.connect();
    client.send(request("GET", "/", &[]));
    eventually("the request waits", || coalmine.metric("coalmine_requests_in_flight", &[]) == 1.0);
    full.take_all();
    let response = client.receive();
    assert_eq!((response.status(), response.text().as_str()), (200, "late"), "{response:?}");
}

#[test]
fn silence_is_504_timeout() {
    let (_backend, coalmine) = answering("/x", Script::new().await_end());
    assert_failure(&coalmine.get("/x"), 504, "timeout");
}

#[test]
fn half_a_head_is_504_timeout() {
    let (_backend, coalmine) = answering("/x", Script::new().send("HTTP/1.1 200 OK\r\nContent-").await_end());
    assert_failure(&coalmine.get("/x"), 504, "timeout");
}

#[test]
fn the_response_timeout_begins_with_the_last_byte_of_the_request() {
    let (_backend, coalmine) = answering("", Script::answer(200, "a"));
    let mut connection = coalmine.connect();
    connection.send(request("POST", "/", &["Content-Length: 6"]));
    for _ in 0..6 {
        for_a_while(Duration::from_millis(120));
        connection.send("x");
    }
    assert_eq!(connection.receive().status(), 200);
}

#[test]
fn garbage_is_502_malformed() {
    for garbage in [
        "SSH-2.0-OpenSSH_9.2\r\n\r\n",
        "HTTP/1.1 abc OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon here\r\n\r\n",
    ] {
        let (_backend, coalmine) = answering("/x", Script::new().send(garbage).await_end());
        assert_failure(&coalmine.get("/x"), 502, "malformed");
    }
}

#[test]
fn an_end_before_the_head_is_502_closed() {
    let scripts = [
        Script::new().read_body().close(),
        Script::new().read_body().reset(),
        Script::new().read_body().half_close(),
        Script::new().send("HTTP/1.1 200 OK\r\nX-").close(),
    ];
    for (n, script) in scripts.into_iter().enumerate() {
        let (_backend, coalmine) = answering("/x", script);
        let response = coalmine.get("/x");
        assert_eq!(response.status(), 502, "script {n}: {response:?}");
        let text = response.text();
        assert!(text.contains("closed") || (n == 3 && text.contains("malformed")), "script {n}: {text}");
    }
}

#[test]
fn a_body_that_breaks_off_never_looks_complete() {
    let length = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc";
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n";
    let pause = Duration::from_millis(50);
    for (n, script) in [
        Script::new().send(length).close(),
        Script::new().send(chunked).close(),
        Script::new().send(length).wait(pause).reset(),
        Script::new().send(chunked).wait(pause).reset(),
        Script::new().send(chunked).send("zz\r\n").await_end(),
        // Stands still for longer than `timeout.idle`.
        Script::new().send(length).await_end(),
        Script::new().send(chunked).await_end(),
    ]
    .into_iter()
    .enumerate()
    {
        let (_backend, coalmine) = answering("/x", script);
        let mut connection = coalmine.connect();
        connection.send(request("GET", "/x", &[]));
        match connection.try_receive() {
            Err(Broken::InBody(response)) => assert_eq!(response.status(), 200, "script {n}"),
            Err(Broken::NoHead) => {}
            // The body may break off before the head was sent on.
            Ok(response) if response.status() == 502 => {}
            other => panic!("script {n}: {other:?}"),
        }
    }
}

#[test]
fn a_body_that_stands_still_counts_against_its_backend() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n";
    let (_backend, coalmine) = answering("/x", Script::new().send(chunked).await_end());
    let mut connection = coalmine.connect();
    connection.send(request("GET", "/x", &[]));
    assert!(connection.try_receive().is_err());
    eventually("it is counted", || {
        coalmine.metric("coalmine_backend_failures_total", &[("kind", "body")]) == 1.0
            && coalmine.metric("coalmine_requests_total", &[("class", "2xx")]) == 1.0
    });
}

#[test]
fn a_short_body_that_breaks_off_or_stands_still_is_502_body() {
    let half = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc";
    for script in [Script::new().send(half).close(), Script::new().send(half).await_end()] {
        let (_backend, coalmine) = answering("/x", script);
        assert_failure(&coalmine.get("/x"), 502, "body");
        assert_eq!(coalmine.metric("coalmine_backend_failures_total", &[("kind", "body")]), 1.0);
    }
}

#[test]
fn a_short_answer_in_pieces_arrives_whole() {
    let mut script = Script::new().send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
    for piece in ["ab", "cde", "f", "ghij"] {
        script = script.wait(Duration::from_millis(20)).send(piece);
    }
    let (_backend, coalmine) = answering("/x", script);
    let mut connection = coalmine.connect();
    assert_eq!(connection.get("/x").text(), "abcdefghij");
    assert_eq!(connection.get("/").text(), "a");
}

#[test]
fn a_client_of_http_1_0_sees_a_broken_body_as_well() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n";
    let broken = Script::new().send(chunked).wait(Duration::from_millis(50)).close();
    let standing_still = Script::new().send(chunked).await_end();
    for script in [broken, standing_still] {
        let (_backend, coalmine) = answering("/x", script);
        let mut connection = coalmine.connect();
        connection.send("GET /x HTTP/1.0\r\nHost: test\r\n\r\n");
        // Without a length or chunks, only a reset tells it.
        assert!(connection.receive_to_end().is_err());
    }
}

#[test]
fn bytes_beyond_the_length_reach_no_client() {
    let backend = Backend::start("a");
    let extra = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";
    backend.on("/x", Script::new().send(extra));
    let coalmine = Config::of(&[&backend], &[]).listen("workers = 1").start();
    let mut connection = coalmine.connect();
    for _ in 0..5 {
        assert_eq!(connection.get("/x").text(), "ok");
        let next = connection.get("/");
        assert_eq!((next.status(), next.text().as_str()), (200, "a"));
    }
}

#[test]
fn the_same_connection_serves_on_after_a_failure() {
    let (_backend, coalmine) = answering("/x", Script::new().read_body().close());
    let mut connection = coalmine.connect();
    assert_failure(&connection.get("/x"), 502, "closed");
    assert_eq!(connection.get("/").text(), "a");
}

#[test]
fn a_failure_says_nothing_of_what_is_inside() {
    let (backend, coalmine) = answering("/x", Script::new().read_body().close());
    let response = coalmine.get("/x");
    let all = format!("{:?} {}", response.head, response.text());
    let port = backend.address.port().to_string();
    for inside in [port.as_str(), "127.0.0.1", "hyper", "os error", "src/"] {
        assert!(!all.contains(inside), "`{inside}` in {all}");
    }
}

/// A balancer with short timeouts before one backend.
fn answering(path: &str, script: Script) -> (Backend, Coalmine) {
    let backend = Backend::start("a");
    backend.on(path, script);
    let timeouts = "connect = \"5s\"\nresponse = \"400ms\"\nidle = \"300ms\"";
    let coalmine = Config::new().service(Service::of("web", &[&backend], &[]).table("timeout", timeouts)).start();
    (backend, coalmine)
}

#[track_caller]
fn assert_failure(response: &Response, status: u16, kind: &str) {
    let text = response.text();
    assert_eq!(response.status(), status, "{text}");
    assert!(text.contains(kind) && text.len() < 200 && text.trim().lines().count() == 1, "{text}");
    assert!(response.head.get("content-type").is_some_and(|kind| kind.starts_with("text/plain")), "{response:?}");
}

/// Listens, but its queue is full: the kernel drops every further attempt to connect.
struct Full {
    address: SocketAddr,
    listener: TcpListener,
    _queue: Vec<TcpStream>,
}

impl Full {
    fn start() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        socket.listen(0).unwrap();
        let listener = TcpListener::from(socket);
        let address = listener.local_addr().unwrap();
        let connect = || TcpStream::connect_timeout(&address, DEADLINE / 50).ok();
        let queue: Vec<_> = std::iter::from_fn(connect).take(16).collect();
        assert!(queue.len() < 16, "the queue does not fill");
        Self { address, listener, _queue: queue }
    }

    /// From now on every connection is taken and its first request answered, by a thread that ends with the test run.
    fn take_all(self) {
        let answer = |mut connection: TcpStream| -> std::io::Result<()> {
            connection.set_read_timeout(Some(DEADLINE))?;
            if connection.read(&mut [0; 4096])? > 0 {
                connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nlate")?;
            }
            Ok(())
        };
        thread::spawn(move || {
            while let Ok((connection, _)) = self.listener.accept() {
                // What only filled the queue, or the balancer gave up, says nothing.
                thread::spawn(move || answer(connection));
            }
        });
    }
}
