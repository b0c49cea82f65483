//! One request at a time over loopback: what a proxy in between adds to the time that a client waits.
//!
//! The balancer runs in this process, with two stable backends and one canary at 2:1 and its alerts in memory.

#[path = "support/mod.rs"]
mod support;

use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use anyhow::{Context as _, Result};
use coalmine::app::{App, Inherited, Keepsake, Sockets};
use coalmine::config;
use coalmine::control::State;
use criterion::{Criterion, criterion_group, criterion_main};
use tokio_util::sync::CancellationToken;

use support::backend::{Backends, PROBE_PATH};
use support::client::Client;

fn request(c: &mut Criterion) {
    let backends = Backends::start().expect("three free ports");
    let balancer = Balancer::start(&backends).expect("the balancer starts");
    for (name, address) in [("direct", backends.stable[0]), ("through the balancer", balancer.address)] {
        for (size, path) in [("13 B", "/"), ("10 KiB", "/10k")] {
            let mut client = Client::connect(address, path).expect("somebody listens");
            c.bench_function(&format!("request_path/{size} {name}"), |b| {
                b.iter(|| client.get().expect("an answer of 200"));
            });
        }
    }
}

/// Runs until dropped; its probes and its admin listener have a thread of their own.
struct Balancer {
    address: SocketAddr,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Balancer {
    /// Returns when the canary has its share.
    fn start(backends: &Backends) -> Result<Self> {
        let settings = config::parse(&configuration(backends))?;
        let stop = CancellationToken::new();
        let (started, address) = mpsc::channel();
        let until = stop.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = thread::Builder::new().name("balancer".into()).spawn(move || {
            runtime.block_on(async {
                let sockets = Sockets::bind(&settings, Inherited::default()).expect("free ports on loopback");
                let mut app = App::start(settings, sockets, Keepsake::default()).await.expect("nothing is missing");
                app.open(None).expect("threads and sockets can be used");
                let admitted = app.status.wait_for(|status| {
                    status.services.iter().all(|it| it.gate.as_ref().is_some_and(|gate| gate.state == State::Admitted))
                });
                admitted.await.expect("the controller runs");
                let _ = started.send(app.http[0]); // only a bench that has ended hears nothing
                until.cancelled().await;
                app.stop().await;
            });
        })?;
        let address = address.recv().context("the balancer ended")?;
        Ok(Self { address, stop, thread: Some(thread) })
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // a panic in it has been printed
        }
    }
}

fn configuration(backends: &Backends) -> String {
    let ([first, second], canary) = (backends.stable, backends.canary);
    format!(
        r#"
        listen = {{ http = ["127.0.0.1:0"], workers = 1, drain = "1s" }}
        admin = {{ listen = "127.0.0.1:0" }}
        [[service]]
        name = "bench"
        probe = {{ path = "{PROBE_PATH}" }}
        stable = {{ weight = 2, backends = ["{first}", "{second}"] }}
        canary = {{ weight = 1, backends = ["{canary}"] }}
        "#
    )
}

criterion_group!(benches, request);
criterion_main!(benches);
