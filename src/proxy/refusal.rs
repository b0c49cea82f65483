//! Every answer that is the balancer's own.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};

use super::reply::Reply;
use crate::metrics::Failure;

/// Why a request got no answer from a backend. The client learns the kind and nothing of what is inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// No valid `Host`, or more than one (RFC 9112, 3.2).
    Host,
    /// A target that has no meaning here (RFC 9113, 8.3.1).
    Target,
    /// `CONNECT`: this is no forward proxy.
    Method,
    /// `CONNECT` to a protocol that is not passed on (RFC 9220, 3).
    Protocol,
    /// No service matches.
    NoService,
    /// The service has no backend left.
    NoBackend,
    /// Every backend that could have had it is at its limits.
    Full,
    /// The client's body stood still.
    SlowClient,
    /// The client broke off in the middle of its request.
    ClientGone,
    /// The backend took an upgrade over HTTP/2 for an ordinary request, and its success would be taken for a tunnel.
    NoUpgrade,
    /// The backend failed.
    Backend(Failure),
}

impl Refusal {
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::Host | Self::Target | Self::ClientGone => StatusCode::BAD_REQUEST,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Protocol => StatusCode::NOT_IMPLEMENTED,
            Self::NoUpgrade => StatusCode::BAD_GATEWAY,
            Self::NoService => StatusCode::NOT_FOUND,
            Self::NoBackend | Self::Full => StatusCode::SERVICE_UNAVAILABLE,
            Self::SlowClient => StatusCode::REQUEST_TIMEOUT,
            Self::Backend(Failure::Timeout) => StatusCode::GATEWAY_TIMEOUT,
            Self::Backend(Failure::Connect | Failure::Closed | Failure::Malformed | Failure::Body) => {
                StatusCode::BAD_GATEWAY
            }
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Host => "400 bad request: host\n",
            Self::Target => "400 bad request: target\n",
            Self::Method => "405 method not allowed\n",
            Self::Protocol => "501 not implemented: protocol\n",
            Self::NoUpgrade => "502 bad gateway: no upgrade\n",
            Self::NoService => "404 not found: no service\n",
            Self::NoBackend => "503 service unavailable: no backend\n",
            Self::Full => "503 service unavailable: full\n",
            Self::SlowClient => "408 request timeout: body\n",
            Self::ClientGone => "400 bad request: body\n",
            Self::Backend(Failure::Connect) => "502 bad gateway: connect\n",
            Self::Backend(Failure::Timeout) => "504 gateway timeout: timeout\n",
            Self::Backend(Failure::Closed) => "502 bad gateway: closed\n",
            Self::Backend(Failure::Malformed) => "502 bad gateway: malformed\n",
            Self::Backend(Failure::Body) => "502 bad gateway: body\n",
        }
    }

    pub(super) fn response(self) -> Response<Reply> {
        let mut response = Response::new(Reply::text(Bytes::from_static(self.text().as_bytes())));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        if matches!(self, Self::NoBackend | Self::Full) {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
