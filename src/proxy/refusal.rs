//! Every answer that is the balancer's own.

use bytes::Bytes;
use http::header::{ALLOW, CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};

use super::grpc::{self, Code};
use super::reply::Reply;
use crate::metrics::{Failure, Refused};

/// Why a request got no answer from a backend. The client learns the kind and nothing of what is inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// More fields, or more bytes of them, than are taken.
    Headers,
    /// A longer target than is taken.
    RequestLine,
    /// No valid `Host`, or more than one (RFC 9112, 3.2).
    Host,
    /// A target that has no meaning here (RFC 9113, 8.3.1).
    Target,
    /// A path that leads elsewhere when it is read otherwise, or nowhere.
    Path,
    /// `CONNECT` or `TRACE`: this is no forward proxy.
    Method,
    /// `CONNECT` to a protocol that is not passed on (RFC 9220, 3).
    Protocol,
    /// A body that is larger than the service takes.
    Body,
    /// As many requests are in flight as may be.
    Overload,
    /// The client sends too many requests. In seconds: when the next can be.
    ClientRate(u32),
    /// All clients together send the service too many.
    ServiceRate(u32),
    /// No service matches.
    NoService,
    /// The service has no backend left.
    NoBackend,
    /// Every backend that could have had it is at its limits.
    Full,
    /// The client's body stood still.
    SlowClient,
    /// The client's body came too slowly.
    SlowBody,
    /// The client broke off in the middle of its request.
    ClientGone,
    /// The backend took an upgrade over HTTP/2 for an ordinary request, and its success would be taken for a tunnel.
    NoUpgrade,
    /// The deadline passed that the client of gRPC has set.
    Deadline,
    /// The backend failed.
    Backend(Failure),
}

impl Refusal {
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::Host | Self::Target | Self::Path | Self::ClientGone => StatusCode::BAD_REQUEST,
            Self::Headers => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::RequestLine => StatusCode::URI_TOO_LONG,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Protocol => StatusCode::NOT_IMPLEMENTED,
            Self::NoUpgrade => StatusCode::BAD_GATEWAY,
            Self::Body => StatusCode::PAYLOAD_TOO_LARGE,
            Self::ClientRate(_) | Self::ServiceRate(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::NoService => StatusCode::NOT_FOUND,
            Self::NoBackend | Self::Full | Self::Overload => StatusCode::SERVICE_UNAVAILABLE,
            Self::SlowClient | Self::SlowBody => StatusCode::REQUEST_TIMEOUT,
            Self::Deadline | Self::Backend(Failure::Timeout) => StatusCode::GATEWAY_TIMEOUT,
            Self::Backend(Failure::Connect | Failure::Closed | Failure::Malformed | Failure::Body) => {
                StatusCode::BAD_GATEWAY
            }
        }
    }

    fn code(self) -> Code {
        match self {
            Self::Deadline => Code::DEADLINE_EXCEEDED,
            _ => Code::from(self.status()),
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Headers => "431 request header fields too large\n",
            Self::RequestLine => "414 uri too long\n",
            Self::Host => "400 bad request: host\n",
            Self::Target => "400 bad request: target\n",
            Self::Path => "400 bad request: path\n",
            Self::Method => "405 method not allowed\n",
            Self::Protocol => "501 not implemented: protocol\n",
            Self::NoUpgrade => "502 bad gateway: no upgrade\n",
            Self::Body => "413 content too large\n",
            Self::Overload => "503 service unavailable: overload\n",
            Self::ClientRate(_) | Self::ServiceRate(_) => "429 too many requests\n",
            Self::NoService => "404 not found: no service\n",
            Self::NoBackend => "503 service unavailable: no backend\n",
            Self::Full => "503 service unavailable: full\n",
            Self::SlowClient | Self::SlowBody => "408 request timeout: body\n",
            Self::ClientGone => "400 bad request: body\n",
            Self::Deadline => "504 gateway timeout: deadline\n",
            Self::Backend(Failure::Connect) => "502 bad gateway: connect\n",
            Self::Backend(Failure::Timeout) => "504 gateway timeout: timeout\n",
            Self::Backend(Failure::Closed) => "502 bad gateway: closed\n",
            Self::Backend(Failure::Malformed) => "502 bad gateway: malformed\n",
            Self::Backend(Failure::Body) => "502 bad gateway: body\n",
        }
    }

    /// The limit or check of the front door that fired, if it was one.
    pub(super) fn limit(self) -> Option<Refused> {
        Some(match self {
            Self::Headers => Refused::Headers,
            Self::RequestLine => Refused::RequestLine,
            Self::Host => Refused::Host,
            Self::Target => Refused::Framing,
            Self::Path => Refused::Path,
            Self::Method | Self::Protocol => Refused::Method,
            Self::Body => Refused::Body,
            Self::Overload => Refused::Requests,
            Self::ClientRate(_) => Refused::ClientRate,
            Self::ServiceRate(_) => Refused::ServiceRate,
            Self::SlowClient => Refused::Idle,
            Self::SlowBody => Refused::BodyRate,
            Self::NoService
            | Self::NoBackend
            | Self::Full
            | Self::ClientGone
            | Self::NoUpgrade
            | Self::Deadline
            | Self::Backend(_) => {
                return None;
            }
        })
    }

    /// `grpc`: to a call of gRPC, whose clients look for the reason in fields of its own.
    pub(super) fn response(self, grpc: bool) -> Response<Reply> {
        if grpc {
            return grpc::refusal(self.code(), self.text().trim_end(), Reply::empty());
        }
        let mut response = Response::new(Reply::text(Bytes::from_static(self.text().as_bytes())));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        match self {
            Self::NoBackend | Self::Full | Self::Overload => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            Self::ClientRate(seconds) | Self::ServiceRate(seconds) => {
                headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
            }
            // What a gateway can't know of its backends, but has to say (RFC 9110, 15.5.6).
            Self::Method => {
                headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"));
            }
            // The rest of the body is not waited for.
            Self::Body | Self::SlowClient | Self::SlowBody => {
                headers.insert(CONNECTION, HeaderValue::from_static("close"));
            }
            _ => {}
        }
        response
    }
}
