//! What must hold for any bytes at all. The fuzzer makes them up; the tests try those that are kept in `fuzz/corpus/`.

#![allow(dead_code, reason = "each target has one of them")]

use std::cell::LazyCell;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use coalmine::net::guard::{Scanner, Violation};
use coalmine::net::proxy_protocol;
use coalmine::{bus, config};
use futures_util::FutureExt;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Runtime;

/// More than the configuration that is shipped has; beyond it, only time is lost.
const LONGEST_CONFIG: usize = 64 * 1024;

/// An alert is one line, bounded and not blank.
pub(crate) fn alert(bytes: &[u8]) {
    if let Some(alert) = bus::read_alert(bytes) {
        assert!(!alert.reason.trim().is_empty() && alert.reason.chars().count() <= 512, "{alert:?}");
        assert!(!alert.reason.chars().any(char::is_control), "{alert:?}");
        assert!(alert.by.iter().all(|by| !by.is_empty() && by.chars().count() <= 128), "{alert:?}");
    }
}

/// Every configuration is read or refused with words, and one without secrets is read again as it is printed.
pub(crate) fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(&bytes[..bytes.len().min(LONGEST_CONFIG)]) else { return };
    match config::parse(text) {
        Err(error) => assert!(!error.to_string().trim().is_empty()),
        Ok(settings) => {
            let printed = config::render(&settings);
            if !printed.contains("***") {
                let again = config::parse(&printed).unwrap_or_else(|error| panic!("{error} in {printed}"));
                assert_eq!(config::render(&again), printed);
            }
        }
    }
}

/// A header ends at the same byte however it comes, and never beyond its bounds.
pub(crate) fn proxy_header(bytes: &[u8]) {
    let mut rest = bytes;
    let received = proxy_protocol::receive(&mut rest).now_or_never().expect("bytes in memory are there");
    let header = &bytes[..bytes.len() - rest.len()];
    assert!(header.len() <= 4096);
    if let Ok(client) = received {
        assert_eq!(proxy_protocol::missing(header).ok(), Some(0));
        assert_eq!(proxy_protocol::parse(header).ok(), Some(client));
        for end in 0..header.len() {
            assert!(matches!(proxy_protocol::missing(&header[..end]), Ok(1..)), "at {end}");
        }
    }
    // The parser alone must stand anything.
    let _ = proxy_protocol::parse(bytes);
}

/// The verdict is the same in any pieces, and the server hears in what passes the requests that were seen in it.
pub(crate) fn framing(bytes: &[u8]) {
    let whole = Scanner::default().scan(bytes);
    let mut scanner = Scanner::default();
    let mut requests = Vec::new();
    let mut start = 0;
    for (at, byte) in bytes.iter().enumerate() {
        if scanner.scan(&[*byte]).is_err() {
            assert_eq!(whole, Err(Violation { at }));
            return;
        }
        let read = &bytes[start..=at];
        if scanner.is_between_messages() && !read.iter().all(|byte| matches!(byte, b'\r' | b'\n')) {
            requests.push(read);
            start = at + 1;
        }
    }
    assert_eq!(whole, Ok(()));
    requests.push(&bytes[start..]);

    let mut each = Vec::new();
    for request in requests {
        let heard = heard(request);
        assert!(heard.len() <= 1, "{heard:?} in {}", request.escape_ascii());
        let over = heard.iter().all(|(_, body)| body.is_none());
        each.extend(heard);
        if over {
            break;
        }
    }
    // A server may end the connection before the last of them.
    let all = heard(bytes);
    assert!(each.starts_with(&all), "{each:?} are heard as {all:?}");
}

/// The requests of a connection as hyper reads it: targets, and bodies unless they broke off.
fn heard(bytes: &[u8]) -> Vec<(String, Option<Bytes>)> {
    thread_local! {
        static RUNTIME: LazyCell<Runtime> =
            LazyCell::new(|| tokio::runtime::Builder::new_current_thread().build().expect("a runtime"));
    }
    let heard = Arc::new(Mutex::new(Vec::new()));
    let service = service_fn(|request: Request<Incoming>| {
        let heard = heard.clone();
        async move {
            let target = request.uri().to_string();
            let body = request.into_body().collect().await.ok().map(|body| body.to_bytes());
            heard.lock().expect("nobody panics").push((target, body));
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        }
    });
    let (mut client, server) = tokio::io::duplex(1 << 16);
    let serving = async {
        // An error is what a refused request ends with.
        let _ = http1::Builder::new().half_close(true).serve_connection(TokioIo::new(server), service).await;
    };
    let asking = async {
        // The server may have hung up.
        let _ = client.write_all(bytes).await;
        let _ = client.shutdown().await;
        let _ = client.read_to_end(&mut Vec::new()).await;
    };
    RUNTIME.with(|runtime| runtime.block_on(async { tokio::join!(serving, asking) }));
    heard.lock().expect("nobody panics").clone()
}
