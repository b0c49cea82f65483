//! How much is taken at a time: by the balancer, by a service, and by one backend.

use std::time::Duration;

use serde::Serialize;

use super::service::seconds;

/// What the front door takes, all services together. 0: no limit of its own, where nothing else is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LimitSettings {
    /// Connections of clients. 0: what the limit of open files leaves.
    pub max_connections: u32,
    /// Requests in flight. 0: as many as connections.
    pub max_requests: u32,
    /// Connections to one address of `listen`.
    pub listener_connections: u32,
    /// Connections of one client: an IPv4 address or an IPv6 network of 64 bits.
    pub client_connections: u32,
    /// Fields of a request.
    pub headers: u32,
    /// Bytes of all of them.
    pub header_bytes: u32,
    /// Bytes of a request's first line.
    pub request_line: u32,
    /// Bytes per second that a client has to move on average.
    pub body_rate: u32,
    /// HTTP/2 streams of one connection.
    pub streams: u32,
    /// Of one client.
    pub rate: RateSpec,
}

/// How many requests are taken over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RateSpec {
    /// Per second. 0: no limit.
    pub requests: u32,
    /// At once. 0 only without a limit.
    pub burst: u32,
}

/// `service.limits`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ServiceLimits {
    #[serde(flatten)]
    pub circuit: CircuitLimits,
    /// Bytes of a request's body. 0: no limit.
    pub body: u64,
    /// Of the service, all clients together.
    pub rate: RateSpec,
}

/// What `service.limits` says of each backend. 0: no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CircuitLimits {
    /// Open connections.
    pub connections: u32,
    /// Requests in flight.
    pub requests: u32,
    /// Requests that may wait for their turn.
    pub queue: u32,
    /// How long one may wait.
    #[serde(serialize_with = "seconds")]
    pub queue_timeout: Duration,
}
