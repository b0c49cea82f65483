//! TLS in front, with clients of rustls, curl and OpenSSL.

mod client;
mod handshake;
mod requests;
mod site;

use crate::support::coalmine::Coalmine;
use crate::support::{Backend, Config};
use client::Client;
use site::Authority;

/// A balancer with TLS before one backend, and whom its clients trust.
struct Stage {
    authority: Authority,
    backend: Backend,
    coalmine: Coalmine,
}

impl Stage {
    /// With a certificate for each list of names, in this order.
    #[track_caller]
    fn start(sites: &[&[&str]]) -> Self {
        Self::start_with(sites, |config| config)
    }

    #[track_caller]
    fn start_with(sites: &[&[&str]], more: impl FnOnce(Config) -> Config) -> Self {
        let (authority, backend) = (Authority::new(), Backend::start("a"));
        let coalmine = more(configured(&authority, &backend, sites)).start();
        Self { authority, backend, coalmine }
    }

    fn address(&self) -> std::net::SocketAddr {
        self.coalmine.listeners("https")[0]
    }

    fn client(&self) -> Client {
        Client::of(&self.authority, self.address())
    }

    fn handshakes(&self, result: &str) -> f64 {
        self.coalmine.metric("coalmine_tls_handshakes_total", &[("result", result)])
    }
}

/// The files of the `n`th certificate are `site-n`.
fn configured(authority: &Authority, backend: &Backend, sites: &[&[&str]]) -> Config {
    let config = Config::of(&[backend], &[]).listen("https = [\"127.0.0.1:0\"]");
    sites
        .iter()
        .enumerate()
        .fold(config, |config, (n, names)| config.certificate(&authority.write(&format!("site-{n}"), names)))
}
