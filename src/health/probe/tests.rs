use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::model::{Endpoint, StatusRanges};

const BODY_LIMIT: usize = 64 * 1024;
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nall: ok";

fn spec() -> ProbeSpec {
    asking("/health?full=1", "")
}

fn asking(path: &str, expect_body: &str) -> ProbeSpec {
    let expect_status = StatusRanges::new(vec![200..=399]).unwrap();
    ProbeSpec {
        question: ProbeQuestion::Http { path: path.into(), expect_status, expect_body: expect_body.into() },
        host: String::new(),
        interval: Duration::from_secs(2),
        timeout: Duration::from_secs(5),
        fall: NonZeroU32::MIN,
        rise: NonZeroU32::MIN,
    }
}

/// Probes a listener that serves one connection by `serve` and returns the failure's text.
async fn outcome(spec: &ProbeSpec, serve: impl AsyncFnOnce(TcpStream)) -> Result<(), String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = async { serve(listener.accept().await.unwrap().0).await };
    let (result, ()) = tokio::join!(probe_one(spec, address), server);
    result
}

async fn probe_one(spec: &ProbeSpec, address: SocketAddr) -> Result<(), String> {
    probe(spec, &place(address.port()), &[address]).await.map_err(|failure| failure.to_string())
}

fn place(port: u16) -> Place {
    Place::plain(Endpoint { host: "web1".into(), port })
}

/// Reads until the end of the request's head.
async fn head(stream: &mut TcpStream) -> String {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        head.push(char::from(stream.read_u8().await.unwrap()));
    }
    head
}

/// Answers with the pieces, each in a segment of its own, and keeps the connection open until the probe closes it.
fn answer(pieces: &[&str]) -> impl AsyncFnOnce(TcpStream) + use<> {
    let pieces = pieces.iter().map(|piece| piece.to_string()).collect::<Vec<_>>();
    async move |mut stream| {
        stream.set_nodelay(true).unwrap();
        head(&mut stream).await;
        for piece in pieces {
            if stream.write_all(piece.as_bytes()).await.is_err() {
                return;
            }
            tokio::task::yield_now().await;
        }
        let _closed = stream.read_u8().await;
    }
}

fn body(text: &str) -> ProbeSpec {
    asking("/health?full=1", text)
}

#[tokio::test]
async fn a_good_status_passes_and_the_connection_ends_with_the_probe() {
    assert_eq!(outcome(&spec(), answer(&[OK])).await, Ok(()));
}

#[tokio::test]
async fn the_request_names_path_host_and_prober() {
    let request = Arc::new(Mutex::new(String::new()));
    let heard = Arc::clone(&request);
    let serve = async move |mut stream: TcpStream| {
        *heard.lock().unwrap() = head(&mut stream).await;
        stream.write_all(OK.as_bytes()).await.unwrap();
    };
    let spec = ProbeSpec { host: "app.example.org".into(), ..spec() };
    assert_eq!(outcome(&spec, serve).await, Ok(()));
    let expected = "GET /health?full=1 HTTP/1.1\r\nhost: app.example.org\r\nuser-agent: coalmine-probe\r\n\
                    connection: close\r\n\r\n";
    assert_eq!(*request.lock().unwrap(), expected);
}

#[test]
fn the_host_is_the_backend_unless_configured() {
    assert_eq!(Address::from(Endpoint { host: "::1".into(), port: 3002 }).authority(), "[::1]:3002");
    assert_eq!(Address::Unix("/run/app.sock".into()).authority(), "localhost");
}

#[tokio::test]
async fn a_status_outside_the_ranges_fails() {
    let answer = answer(&["HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n"]);
    assert_eq!(outcome(&spec(), answer).await, Err("status 500".into()));
}

#[tokio::test]
async fn the_body_is_searched_across_its_parts() {
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let pieces = [head, "6\r\nall: o\r\n", "5\r\nk now\r\n"];
    assert_eq!(outcome(&body(": ok"), answer(&pieces)).await, Ok(()), "without waiting for the body's end");
    let failure = Err("body does not contain \"fine\"".into());
    assert_eq!(outcome(&body("fine"), answer(&[OK])).await, failure);
}

#[tokio::test]
async fn only_the_first_64_kib_of_a_body_are_searched() {
    let filler = "x".repeat(BODY_LIMIT - 1);
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n";
    let failure = Err("body does not contain \"ok\"".into());
    assert_eq!(outcome(&body("ok"), answer(&[head, &filler, "ok"])).await, failure);
    assert_eq!(outcome(&body("ok"), answer(&[head, &filler[1..], "ok"])).await, Ok(()));
}

#[tokio::test]
async fn a_body_that_breaks_off_fails() {
    let serve = async |mut stream: TcpStream| {
        head(&mut stream).await;
        stream.write_all(&OK.as_bytes()[..OK.len() - 1]).await.unwrap();
    };
    assert_eq!(outcome(&body("ok"), serve).await, Err("body broke off".into()));
}

#[tokio::test]
async fn silence_ends_in_a_timeout() {
    let spec = ProbeSpec { timeout: Duration::from_millis(50), ..body("ok") };
    assert_eq!(outcome(&spec, answer(&[])).await, Err("timeout after 50ms".into()));
    let silent_body = answer(&["HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n"]);
    assert_eq!(outcome(&spec, silent_body).await, Err("timeout after 50ms".into()));
}

#[tokio::test]
async fn a_connection_closed_before_the_answer_fails() {
    let failure = Err("connection closed before the answer".into());
    assert_eq!(outcome(&spec(), async |stream| drop(stream)).await, failure);
    let polite = async |mut stream: TcpStream| {
        head(&mut stream).await;
    };
    assert_eq!(outcome(&spec(), polite).await, failure);
}

#[tokio::test]
async fn something_else_than_http_fails() {
    let garbage = answer(&["SSH-2.0-OpenSSH_9.2\r\n\r\n"]);
    assert_eq!(outcome(&spec(), garbage).await, Err("answer is not HTTP/1.1".into()));
}

#[tokio::test]
async fn a_refused_connection_fails_and_the_next_address_is_tried() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = listener.local_addr().unwrap();
    drop(listener);
    assert_eq!(probe_one(&spec(), closed).await, Err("connect: connection refused".into()));

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let open = listener.local_addr().unwrap();
    let server = async { answer(&[OK])(listener.accept().await.unwrap().0).await };
    let (spec, there, addresses) = (spec(), place(open.port()), [closed, open]);
    let (result, ()) = tokio::join!(probe(&spec, &there, &addresses), server);
    assert!(result.is_ok(), "{result:?}");
}

#[tokio::test]
async fn a_name_without_address_and_a_bad_path_fail() {
    let failure = probe(&spec(), &place(1), &[]).await.unwrap_err();
    assert_eq!(failure.to_string(), "name does not resolve");
    let failure = probe(&asking("/a b", ""), &place(1), &[]).await.unwrap_err();
    assert_eq!(failure.to_string(), "request cannot be built");
}
