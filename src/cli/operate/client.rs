//! One question to the admin API and its answer.

use std::time::Duration;

use anyhow::{Context, anyhow};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use super::place::{Address, Place};
use super::table::plain;
use crate::model::Secret;

/// For a connection to be made.
const CONNECT: Duration = Duration::from_secs(5);
/// For the whole answer, beside what the balancer is asked to wait.
const ANSWER: Duration = Duration::from_secs(10);
/// The largest answer that is read, in bytes.
const MAX_ANSWER: usize = 16 * 1024 * 1024;

/// Asks one balancer.
pub(super) struct Client {
    address: Address,
    token: Option<Secret>,
}

/// The balancer has understood and does not do it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(in crate::cli) struct Refused(pub(in crate::cli) String);

impl Client {
    pub(super) fn new(place: &Place) -> anyhow::Result<Self> {
        Ok(Self { address: place.admin.clone(), token: place.token()? })
    }

    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.ask(Method::GET, path, None, Duration::ZERO).await
    }

    pub(super) async fn change(&self, method: Method, path: &str, body: Value) -> anyhow::Result<Value> {
        self.ask(method, path, Some(body), Duration::ZERO).await
    }

    /// Asks something that the balancer may take `wait` for.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
        wait: Duration,
    ) -> anyhow::Result<Value> {
        let address = &self.address;
        let connect = tokio::time::timeout(CONNECT, TcpStream::connect(address.to_string())).await;
        let stream = connect.map_err(|_| anyhow!("no answer within {CONNECT:?}")).and_then(|stream| Ok(stream?));
        let stream = stream.with_context(|| {
            format!("cannot reach http://{address}; is the balancer running? --admin names its admin.listen")
        })?;
        let request = self.request(method, path, body)?;
        let patience = ANSWER.saturating_add(wait);
        let exchange = tokio::time::timeout(patience, exchange(stream, request)).await;
        let exchange = exchange.map_err(|_| anyhow!("no answer within {patience:?}")).and_then(|done| done);
        let (status, body) = exchange.with_context(|| format!("no usable answer from http://{address}"))?;
        understood(status, &body).ok_or_else(|| {
            anyhow!(
                "http://{address} answered {status}, and not as a balancer does; does --admin name its admin.listen?"
            )
        })?
    }

    fn request(&self, method: Method, path: &str, body: Option<Value>) -> anyhow::Result<Request<Full<Bytes>>> {
        let mut request = Request::builder().method(method).uri(path).header(HOST, self.address.to_string());
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {}", token.reveal()));
        }
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        request.body(Full::from(body)).context("the token is not one that a request can carry")
    }
}

async fn exchange(stream: TcpStream, request: Request<Full<Bytes>>) -> anyhow::Result<(StatusCode, Bytes)> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let response = sender.send_request(request).await?;
    let status = response.status();
    let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
    Ok((status, body.map_err(|error| anyhow!(error))?.to_bytes()))
}

/// What stands, or a refusal. `None`: no balancer has said this.
fn understood(status: StatusCode, body: &[u8]) -> Option<anyhow::Result<Value>> {
    let json: Value = serde_json::from_slice(body).ok()?;
    if status.is_success() {
        return Some(Ok(json));
    }
    let (error, remedy) = (json["error"].as_str()?, json["remedy"].as_str()?);
    // A configuration may have many mistakes, one on each line.
    let lines: Vec<_> = error.lines().map(plain).collect();
    let between = if lines.len() > 1 { "\n" } else { "; " };
    Some(Err(Refused(format!("{}{between}{}", lines.join("\n"), plain(remedy))).into()))
}

/// A name as a segment of a path (RFC 3986, 2.3 and 3.3).
pub(super) fn segment(name: &str) -> String {
    let written = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' => char::from(byte).to_string(),
        b'.' if name != "." && name != ".." => ".".to_owned(),
        _ => format!("%{byte:02X}"),
    };
    name.bytes().map(written).collect()
}

/// The path of something of a service.
pub(super) fn path(service: &str, rest: &str) -> String {
    format!("/api/v1/services/{}{rest}", segment(service))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_what_stands_or_a_refusal_or_nobodys() {
        let answer = understood(StatusCode::ACCEPTED, b"{\"idle\":false}").unwrap().unwrap();
        assert_eq!(answer["idle"], false);
        let refused = understood(StatusCode::CONFLICT, br#"{"error":"no\u001b[2J","remedy":"wait"}"#).unwrap();
        let refused = refused.err().unwrap();
        assert!(refused.is::<Refused>());
        assert_eq!(refused.to_string(), "no [2J; wait");
        let lines = br#"{"error":"listen.http: no\nlog.level: no","remedy":"correct them"}"#;
        let lines = understood(StatusCode::UNPROCESSABLE_ENTITY, lines).unwrap().err().unwrap();
        assert_eq!(lines.to_string(), "listen.http: no\nlog.level: no\ncorrect them");
        assert!(understood(StatusCode::OK, b"<html>").is_none());
        assert!(understood(StatusCode::NOT_FOUND, b"{}").is_none());
    }

    #[test]
    fn any_name_is_one_segment() {
        assert_eq!(segment("web-2.lan"), "web-2.lan");
        assert_eq!(segment("[::1]:80/../x y\n"), "%5B%3A%3A1%5D%3A80%2F..%2Fx%20y%0A");
        assert_eq!(segment(".."), "%2E%2E");
        assert_eq!(path("a/b", "/alert"), "/api/v1/services/a%2Fb/alert");
    }
}
