//! TLS in front, with clients of rustls, curl and OpenSSL.

mod check;
mod client;
mod handshake;
mod redirect;
mod renewal;
mod requests;

use std::net::SocketAddr;

use crate::support::certificates::{Authority, Certificate};
use crate::support::coalmine::Coalmine;
use crate::support::{Backend, Config};
use client::Client;

/// A balancer with TLS before one backend, and whom its clients trust.
struct Stage {
    authority: Authority,
    backend: Backend,
    sites: Vec<Certificate>,
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
        let sites: Vec<_> = sites.iter().map(|names| authority.server(names)).collect();
        let coalmine = more(configured(&backend, &sites)).start();
        Self { authority, backend, sites, coalmine }
    }

    fn address(&self) -> SocketAddr {
        self.coalmine.listeners("https")[0]
    }

    fn client(&self) -> Client {
        Client::of(&self.authority, self.address())
    }

    fn handshakes(&self, result: &str) -> f64 {
        self.coalmine.metric("coalmine_tls_handshakes_total", &[("result", result)])
    }
}

fn configured(backend: &Backend, sites: &[Certificate]) -> Config {
    let config = Config::of(&[backend], &[]).listen("https = [\"127.0.0.1:0\"]");
    sites.iter().fold(config, |config, site| config.certificate(&lines(site)))
}

/// The keys of a `[[tls.certificate]]`.
fn lines(site: &Certificate) -> String {
    format!("cert = \"{}\"\nkey = \"{}\"", site.cert.display(), site.key.display())
}
