//! Black-box tests: the real program over sockets, before scripted backends and a real redis-server.
//!
//! A file is a behaviour, a test's name a sentence about it. No fixed port, no bare sleep: what must happen is waited
//! for with a deadline, and a window in which nothing may happen says so.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod acme;
mod admin;
mod affinity;
mod alert;
mod check;
mod clients;
mod conformance;
mod demo;
mod docs;
mod eject;
mod failure;
mod framing;
mod fuzz;
mod grpc;
mod grpc_probe;
mod handover;
mod headers;
mod health;
mod http2;
mod http2_flood;
mod http2_stop;
mod layering;
mod lease;
mod life;
mod limits;
mod log;
mod marks;
mod monitor;
mod notify;
mod operate;
mod overload;
mod proxy_protocol;
mod proxy_protocol_sent;
mod rate;
mod reload;
mod request_checks;
mod reroute;
mod resend;
mod retry;
mod routing;
mod rules;
mod slow;
mod smuggling;
mod soak;
mod split;
mod streaming;
mod support;
mod systemd;
mod tls;
mod trial;
mod unix;
mod unprivileged;
mod upstream_h2;
mod upstream_tls;
mod websocket;
