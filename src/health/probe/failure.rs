//! Why a probe failed.

use std::io;
use std::time::Duration;

use http::StatusCode;

/// The text is short and fit for logs, API and page.
#[derive(Debug, thiserror::Error)]
pub enum ProbeFailure {
    #[error("name does not resolve")]
    Unresolved,
    #[error("request cannot be built")]
    Request(#[source] http::Error),
    #[error("connect: {}", plain(.0))]
    Connect(#[source] io::Error),
    #[error("TLS: {}", plain(.0))]
    Tls(#[source] io::Error),
    #[error("timeout after {}", humantime::format_duration(*.0))]
    Timeout(Duration),
    #[error("connection closed before the answer")]
    Closed(#[source] hyper::Error),
    #[error("answer is not HTTP/{version}")]
    Malformed {
        version: &'static str,
        #[source]
        source: hyper::Error,
    },
    #[error("status {}", .0.as_u16())]
    Status(StatusCode),
    #[error("body broke off")]
    Body(#[source] hyper::Error),
    #[error("body does not contain {0:?}")]
    BodyText(String),
    #[error("answer is not gRPC")]
    NotGrpc,
    #[error("grpc-status {0}")]
    GrpcStatus(u32),
    #[error("grpc health {0}")]
    GrpcHealth(&'static str),
}

/// The system's text without its number and its capital: `connection refused`.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut rest = text.chars();
    rest.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(rest).collect()
}
