//! One attempt to post a notice to a URL.

use std::future::Future;
use std::path::Path;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, USER_AGENT};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;

use super::entry::since_1970;
use super::sign::signature;
use super::{Outcome, trust};
use crate::model::{Notice, WebhookSettings};

/// Bytes of an answer that are read for its words.
const WORDS: usize = 300;

/// Posts the notice as JSON, with `id` as its nonce. Not cancel safe: dropped, it may have been taken.
pub(super) async fn post(hook: &WebhookSettings, ca_file: Option<&Path>, id: &str, notice: &Notice) -> Outcome {
    let posted = async {
        let request = request(hook, id, notice)?;
        let (secure, host, port) = target(request.uri())?;
        let stream = TcpStream::connect((host.as_str(), port)).await.map_err(|error| error.to_string())?;
        if secure {
            let name = ServerName::try_from(host).map_err(|error| error.to_string())?;
            let tls = TlsConnector::from(trust::client(ca_file)?).connect(name, stream).await;
            ask(tls.map_err(|error| error.to_string())?, request).await
        } else {
            ask(stream, request).await
        }
    };
    match timeout(hook.timeout, posted).await {
        Ok(Ok((status, words))) => outcome(status, &words),
        Ok(Err(reason)) => Outcome::Later(reason),
        Err(_) => Outcome::Later(format!("no answer within {:?}", hook.timeout)),
    }
}

/// What an answer means: only what may pass by itself is worth another try.
fn outcome(status: StatusCode, words: &str) -> Outcome {
    let reason = || format!("{status} {words}").trim().to_owned();
    if status.is_success() {
        Outcome::Sent
    } else if status.is_server_error() || matches!(status.as_u16(), 408 | 429) {
        Outcome::Later(reason())
    } else {
        Outcome::Never(reason())
    }
}

fn request(hook: &WebhookSettings, id: &str, notice: &Notice) -> Result<Request<Full<Bytes>>, String> {
    let body = serde_json::to_vec(notice).map_err(|error| error.to_string())?;
    let timestamp = since_1970(SystemTime::now()) / 1000;
    let uri: Uri = hook.url.parse().map_err(|_| "not a URL".to_owned())?;
    let mut request = Request::post(&uri)
        .header(HOST, uri.authority().map_or("", |authority| authority.as_str()))
        .header(USER_AGENT, concat!("coalmine/", env!("CARGO_PKG_VERSION")))
        .header(CONTENT_TYPE, "application/json")
        .header("connection", "close")
        .header("x-coalmine-timestamp", timestamp)
        .header("x-coalmine-nonce", id)
        .header("idempotency-key", id);
    if let Some(secret) = &hook.secret {
        request = request.header("x-coalmine-signature", signature(secret, timestamp, id, &body));
    }
    request.body(Full::from(body)).map_err(|error| error.to_string())
}

/// Whether it is TLS, the host without brackets, and the port.
fn target(uri: &Uri) -> Result<(bool, String, u16), String> {
    let secure = uri.scheme_str() == Some("https");
    let host = uri.host().ok_or("the URL has no host")?.trim_matches(['[', ']']).to_owned();
    Ok((secure, host, uri.port_u16().unwrap_or(if secure { 443 } else { 80 })))
}

/// Gives the status, and the first words of what is no success.
async fn ask<S>(stream: S, mut request: Request<Full<Bytes>>) -> Result<(StatusCode, String), String>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
    // A server is asked for a path, a proxy for a URL.
    let path = request.uri().path_and_query().cloned();
    *request.uri_mut() = path.map_or(Uri::from_static("/"), Uri::from);
    let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
    let status = answer.status();
    let words = if status.is_success() { String::new() } else { words(answer.into_body()).await };
    Ok((status, words))
}

fn words(body: hyper::body::Incoming) -> impl Future<Output = String> {
    let mut body = Limited::new(body, WORDS);
    async move {
        let mut words = Vec::new();
        while let Some(Ok(frame)) = body.frame().await {
            words.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
        }
        let words = String::from_utf8_lossy(&words).into_owned();
        words.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{NoticeKind, Secret};
    use crate::notify::entry::specimen;

    #[test]
    fn only_what_may_pass_by_itself_is_tried_again() {
        for (status, again) in [(200, None), (204, None), (500, Some(true)), (503, Some(true)), (408, Some(true))] {
            assert_eq!(retried(status), again, "{status}");
        }
        for (status, again) in [(429, Some(true)), (400, Some(false)), (404, Some(false)), (301, Some(false))] {
            assert_eq!(retried(status), again, "{status}");
        }
    }

    /// `None`: sent.
    fn retried(status: u16) -> Option<bool> {
        match outcome(StatusCode::from_u16(status).unwrap(), "") {
            Outcome::Sent => None,
            Outcome::Later(_) => Some(true),
            Outcome::Never(_) => Some(false),
        }
    }

    #[test]
    fn a_request_is_signed_and_has_the_same_key_each_time() {
        let hook = WebhookSettings {
            url: "https://[::1]:8443/a?b".to_owned(),
            secret: Some(Secret::new("s".to_owned())),
            events: Vec::new(),
            timeout: std::time::Duration::from_secs(1),
        };
        let request = request(&hook, "id", &specimen("a", NoticeKind::Info)).unwrap();
        assert_eq!(target(request.uri()).unwrap(), (true, "::1".to_owned(), 8443));
        let header = |name: &str| request.headers()[name].to_str().unwrap();
        assert_eq!((header("x-coalmine-nonce"), header("idempotency-key"), header("host")), ("id", "id", "[::1]:8443"));
        assert!(header("x-coalmine-signature").starts_with("sha256="));
    }
}
