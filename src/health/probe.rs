//! One probe: a `GET` on a connection of its own, judged by its status and the beginning of its body.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::model::{Endpoint, ProbeSpec};

/// How much of a body is searched for the expected text, in bytes.
const BODY_LIMIT: usize = 64 * 1024;

/// Why a probe failed. The text is short and fit for logs, API and page.
#[derive(Debug, thiserror::Error)]
pub enum ProbeFailure {
    #[error("name does not resolve")]
    Unresolved,
    #[error("request cannot be built")]
    Request(#[source] http::Error),
    #[error("connect: {}", plain(.0))]
    Connect(#[source] io::Error),
    #[error("timeout after {}", humantime::format_duration(*.0))]
    Timeout(Duration),
    #[error("connection closed before the answer")]
    Closed(#[source] hyper::Error),
    #[error("answer is not HTTP/1.1")]
    Malformed(#[source] hyper::Error),
    #[error("status {}", .0.as_u16())]
    Status(StatusCode),
    #[error("body broke off")]
    Body(#[source] hyper::Error),
    #[error("body does not contain {0:?}")]
    BodyText(String),
}

/// Asks the backend once. `addresses` are what `endpoint` resolves to, tried in order until one accepts the connection.
///
/// The whole takes at most `spec.timeout`. Cancel safe: nothing is spawned, so that dropping the future closes the
/// connection and leaves nothing behind.
pub async fn probe(spec: &ProbeSpec, endpoint: &Endpoint, addresses: &[SocketAddr]) -> Result<(), ProbeFailure> {
    let attempt = async {
        let request = request(spec, endpoint)?;
        let stream = connect(addresses, spec.timeout).await?;
        stream.set_nodelay(true).map_err(ProbeFailure::Connect)?;
        ask(spec, request, stream).await
    };
    timeout(spec.timeout, attempt).await.unwrap_or(Err(ProbeFailure::Timeout(spec.timeout)))
}

fn request(spec: &ProbeSpec, endpoint: &Endpoint) -> Result<Request<Empty<Bytes>>, ProbeFailure> {
    let host = if spec.host.is_empty() { endpoint.to_string() } else { spec.host.clone() };
    Request::get(spec.path.as_str())
        .header(header::HOST, host)
        .header(header::USER_AGENT, "coalmine-probe")
        .header(header::CONNECTION, "close")
        .body(Empty::new())
        .map_err(ProbeFailure::Request)
}

/// Every address gets an equal part of the time that is left, so that a silent first one does not hide a good second.
async fn connect(addresses: &[SocketAddr], limit: Duration) -> Result<TcpStream, ProbeFailure> {
    let deadline = Instant::now().checked_add(limit);
    let mut failure = ProbeFailure::Unresolved;
    for (address, waiting) in addresses.iter().zip((1..=addresses.len()).rev()) {
        let left = deadline.map_or(limit, |deadline| deadline.saturating_duration_since(Instant::now()));
        let share = left / u32::try_from(waiting).unwrap_or(u32::MAX);
        failure = match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => ProbeFailure::Connect(error),
            Err(_) => ProbeFailure::Timeout(limit),
        };
    }
    Err(failure)
}

async fn ask(spec: &ProbeSpec, request: Request<Empty<Bytes>>, stream: TcpStream) -> Result<(), ProbeFailure> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(unanswered)?;
    // The exchange hears of a connection's end by its own channels, and may then still have bytes to look at.
    let drive = async {
        let _ended = connection.await;
        std::future::pending::<Infallible>().await
    };
    let exchange = async {
        let response = sender.send_request(request).await.map_err(unanswered)?;
        judge(spec, response).await
    };
    tokio::select! {
        verdict = exchange => verdict,
        never = drive => match never {},
    }
}

async fn judge(spec: &ProbeSpec, response: Response<Incoming>) -> Result<(), ProbeFailure> {
    if !spec.expect_status.contains(response.status()) {
        return Err(ProbeFailure::Status(response.status()));
    }
    let text = spec.expect_body.as_bytes();
    if text.is_empty() {
        return Ok(());
    }
    let mut body = response.into_body();
    let mut seen = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(ProbeFailure::Body)?;
        let Some(data) = frame.data_ref() else { continue };
        // The text may have begun in the part before.
        let fresh = seen.len().saturating_sub(text.len() - 1);
        seen.extend_from_slice(&data[..data.len().min(BODY_LIMIT - seen.len())]);
        if seen[fresh..].windows(text.len()).any(|window| window == text) {
            return Ok(());
        }
        if seen.len() == BODY_LIMIT {
            break;
        }
    }
    Err(ProbeFailure::BodyText(spec.expect_body.clone()))
}

fn unanswered(error: hyper::Error) -> ProbeFailure {
    if error.is_parse() { ProbeFailure::Malformed(error) } else { ProbeFailure::Closed(error) }
}

/// The system's text without its number and its capital: `connection refused`.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut rest = text.chars();
    rest.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::sync::{Arc, Mutex};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::model::StatusRanges;

    const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nall: ok";

    fn spec() -> ProbeSpec {
        ProbeSpec {
            path: "/health?full=1".into(),
            host: String::new(),
            expect_status: StatusRanges::new(vec![200..=399]).unwrap(),
            expect_body: String::new(),
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
        let endpoint = Endpoint { host: "web1".into(), port: address.port() };
        probe(spec, &endpoint, &[address]).await.map_err(|failure| failure.to_string())
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
        ProbeSpec { expect_body: text.into(), ..spec() }
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
        let endpoint = Endpoint { host: "::1".into(), port: 3002 };
        assert_eq!(request(&spec(), &endpoint).unwrap().headers()[header::HOST], "[::1]:3002");
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
        let spec = ProbeSpec { timeout: Duration::from_millis(50), expect_body: "ok".into(), ..spec() };
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
        let endpoint = Endpoint { host: "web1".into(), port: open.port() };
        let server = async { answer(&[OK])(listener.accept().await.unwrap().0).await };
        let (spec, addresses) = (spec(), [closed, open]);
        let (result, ()) = tokio::join!(probe(&spec, &endpoint, &addresses), server);
        assert!(result.is_ok(), "{result:?}");
    }

    #[tokio::test]
    async fn a_name_without_address_and_a_bad_path_fail() {
        let endpoint = Endpoint { host: "web1".into(), port: 1 };
        let failure = probe(&spec(), &endpoint, &[]).await.unwrap_err();
        assert_eq!(failure.to_string(), "name does not resolve");
        let spec = ProbeSpec { path: "/a b".into(), ..spec() };
        let failure = probe(&spec, &endpoint, &[]).await.unwrap_err();
        assert_eq!(failure.to_string(), "request cannot be built");
    }
}
