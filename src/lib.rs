//! Coalmine: a reverse proxy that knows what a canary is.
//!
//! It sends each release the share of traffic that it is given, and takes the canary out the moment an alert, a health
//! probe or a client's request shows that it fails. What the canary failed, stable answers.
//!
//! # Reading order
//!
//! [`model`] has the words. [`table`] is the snapshot that the two planes share. [`proxy`] is the data plane, in the
//! order in which a request meets it. [`control`] decides; [`health`] and [`bus`] are its senses. [`app`] puts all
//! together. Lower never imports upper, and a test enforces it:
//!
//! `model` <- `metrics`, `net`, `tls` <- `table`, `supervise` <- `proxy`, `health`, `bus`, `notify`, `acme` <-
//! `control` <- `config` <- `shutdown`, `telemetry` <- `monitor` <- `app` <- `cli` <- `main`.
//!
//! # Lexicon
//!
//! - **service**: a routed application. **track**: `stable` or `canary`. **backend**: one address in a track.
//! - **gate**: decides whether a canary gets traffic. **signal**: something that can eject. **reason**: why a canary is
//!   out. **eject**, **re-admit**: what a gate does.
//! - **penalty**: how long live traffic keeps something out at least; each further one is longer. **trial**: the one
//!   client's request that decides whether a canary that was out comes back.
//! - **ticket**: a request's number in its service. **schedule**: the smooth order that tickets index.
//! - **affinity**: whether a visitor is kept on a track or a backend. **pin**: what keeps it there; it travels in the
//!   visitor's cookie. **rule**: sends requests to a track by what they carry. **tester**: a client that chooses its
//!   track itself.
//! - **resend**: the same request to the same backend over another connection. **retry**: to another backend.
//!   **poison**: a request under which backend after backend dies.
//! - **alert**: an owner's word in the store that the canary must not get traffic. **mark**: anything else that
//!   operators or other balancers have said there: a drain, weights, an ejection, a lease. **bus**: the store, as seen
//!   from here.
//! - **drain**: no new work, finish the old. **lease**: leave to take one backend down, for one at a time.
//! - **notice**: what people and other programs are told of. **monitor**: the agent that watches a host.
//! - **keepsake**: what a process leaves to the one that takes its place.
//!
//! # Invariants
//!
//! - The data plane reads one snapshot for each request and writes only counters. It never waits for the control plane,
//!   and goes on with the last table if that stops.
//! - One writer: only the controller changes what is routed, and publishes it whole.
//! - An ejected canary gets no new request: not over a pooled connection, not over one that was just being opened, not
//!   by a cookie, a rule or a tester's wish. The trial is the one exception.
//! - A canary that is out has a reason, and passed probes alone never undo what live traffic did.
//! - Live traffic never takes out the last backend of stable.
//! - A request of which anything was sent goes to another backend once at most, and only if it may run twice.
//! - Input from outside never panics, and everything that it can make grow is bounded.

pub mod acme;
pub mod app;
pub mod bus;
pub mod cli;
pub mod config;
pub mod control;
pub mod health;
pub mod metrics;
pub mod model;
pub mod monitor;
pub mod net;
pub mod notify;
pub mod proxy;
pub mod shutdown;
pub mod supervise;
pub mod table;
pub mod telemetry;
pub mod tls;

/// Makes aws-lc-rs the one TLS provider of this process. A second call changes nothing.
pub fn install_crypto() {
    // An error says that a provider is installed already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}
