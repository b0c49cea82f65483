//! What the front door turns away, and why.

use prometheus::{IntCounter, IntCounterVec, Registry};

use super::{counter_vec, names};

/// A limit that was reached, or a check that failed: a connection was closed, or a request refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// No PROXY header where one must be, or a bad one.
    ProxyProtocol,
    /// The TLS handshake failed, or took too long.
    Handshake,
    /// `limits.max_connections`.
    Connections,
    /// `limits.listener_connections`.
    ListenerConnections,
    /// `limits.client_connections`.
    ClientConnections,
    /// `limits.max_requests`.
    Requests,
    /// `limits.rate`.
    ClientRate,
    /// `service.limits.rate`.
    ServiceRate,
    /// A message whose end or meaning is not the same for everybody (RFC 9112, 11.2).
    Framing,
    /// `Host` or `:authority`.
    Host,
    /// A path that means another service when it is normalized.
    Path,
    Method,
    /// `limits.headers` or `limits.header_bytes`.
    Headers,
    /// `limits.request_line`.
    RequestLine,
    /// `service.limits.body`.
    Body,
    /// `listen.header_timeout`.
    HeaderTimeout,
    /// `limits.body_rate`.
    BodyRate,
    /// A client that neither sends nor takes anything.
    Idle,
    /// More of what costs the balancer than HTTP/2 has a use for (RFC 9113, 10.5).
    Flood,
}

impl Refused {
    const ALL: [Self; 19] = [
        Self::ProxyProtocol,
        Self::Handshake,
        Self::Connections,
        Self::ListenerConnections,
        Self::ClientConnections,
        Self::Requests,
        Self::ClientRate,
        Self::ServiceRate,
        Self::Framing,
        Self::Host,
        Self::Path,
        Self::Method,
        Self::Headers,
        Self::RequestLine,
        Self::Body,
        Self::HeaderTimeout,
        Self::BodyRate,
        Self::Idle,
        Self::Flood,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::ProxyProtocol => "proxy_protocol",
            Self::Handshake => "handshake",
            Self::Connections => "connections",
            Self::ListenerConnections => "listener_connections",
            Self::ClientConnections => "client_connections",
            Self::Requests => "requests",
            Self::ClientRate => "client_rate",
            Self::ServiceRate => "service_rate",
            Self::Framing => "framing",
            Self::Host => "host",
            Self::Path => "path",
            Self::Method => "method",
            Self::Headers => "headers",
            Self::RequestLine => "request_line",
            Self::Body => "body",
            Self::HeaderTimeout => "header_timeout",
            Self::BodyRate => "body_rate",
            Self::Idle => "idle",
            Self::Flood => "flood",
        }
    }
}

/// A counter for each reason.
#[derive(Clone)]
pub struct RefusedMetrics([IntCounter; Refused::ALL.len()]);

impl RefusedMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        let help = "Connections closed and requests refused by a limit or a check, by reason.";
        let family: IntCounterVec = counter_vec(registry, names::REFUSED, help, &["reason"]);
        Self(Refused::ALL.map(|reason| family.with_label_values(&[reason.as_str()])))
    }

    pub fn count(&self, reason: Refused) {
        self.0[reason as usize].inc();
    }
}
