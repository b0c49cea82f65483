//! Pebble: a real ACME server, with a DNS server that sends it to this machine whatever the name.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;

use super::super::certificates::Authority;
use super::super::eventually::within;
use super::super::process::Process;
use super::super::redis::free_address;
use super::Tool;

/// Killed when dropped.
pub(crate) struct Pebble {
    /// The URL of its directory.
    pub(crate) directory: String,
    listen: SocketAddr,
    management: SocketAddr,
    dns: SocketAddr,
    authority: Authority,
    files: TempDir,
    dns_server: Process,
    server: Option<Process>,
}

/// Its ports may be taken by somebody else between the choice and the start.
const TRIES: usize = 5;
const START: Duration = Duration::from_secs(60);

impl Pebble {
    /// Looks for the answers to its http-01 challenges on `http_port` of 127.0.0.1. Its certificates are good for
    /// `validity`.
    #[track_caller]
    pub(crate) fn start(http_port: u16, validity: Duration) -> Self {
        let started = (0..TRIES).find_map(|_| Self::try_start(http_port, validity));
        started.expect("pebble does not start")
    }

    /// The roots by which its own listeners are to be trusted.
    pub(crate) fn ca_file(&self) -> &Path {
        &self.authority.file
    }

    /// The root of the certificates that it issues, as PEM. Each start has another.
    #[track_caller]
    pub(crate) fn root(&self) -> String {
        self.ask(&format!("https://{}/roots/0", self.management)).expect("pebble gives its root")
    }

    /// Connections to it are refused from here on.
    pub(crate) fn stop(&mut self) {
        self.server = None;
    }

    /// Starts it again on its ports. It has forgotten all accounts and orders.
    #[track_caller]
    pub(crate) fn restart(&mut self) {
        self.serve();
        assert!(self.comes_up(), "pebble does not start again");
    }

    fn try_start(http_port: u16, validity: Duration) -> Option<Self> {
        let [listen, management, dns] = std::array::from_fn(|_| free_address());
        let mut pebble = Self {
            directory: format!("https://{listen}/dir"),
            listen,
            management,
            dns,
            authority: Authority::new(),
            files: tempfile::tempdir().unwrap(),
            dns_server: Tool::challtestsrv()
                .args(["-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", "", "-defaultIPv6", ""])
                .args(["-management", "127.0.0.1:0", "-dnsserver", &dns.to_string()])
                .start(),
            server: None,
        };
        pebble.write_config(http_port, validity);
        pebble.serve();
        pebble.comes_up().then_some(pebble)
    }

    fn serve(&mut self) {
        let server = Tool::pebble()
            .arg("-config")
            .arg(self.config())
            .args(["-dnsserver", &self.dns.to_string()])
            // Otherwise it waits some seconds before it looks at a challenge.
            .env("PEBBLE_VA_NOSLEEP", "1");
        self.server = Some(server.start());
    }

    /// Whether it answers by its own certificate; not when a process has ended, as without its ports.
    fn comes_up(&mut self) -> bool {
        let up = within(START, || {
            if self.dns_server.has_ended() || self.server.as_mut().is_none_or(Process::has_ended) {
                return Some(false);
            }
            self.ask(&self.directory).map(|_| true)
        });
        up.unwrap_or(false)
    }

    fn ask(&self, url: &str) -> Option<String> {
        let exit = Tool::curl().arg("--cacert").arg(self.ca_file()).arg(url).run();
        (exit.code == Some(0)).then_some(exit.stdout)
    }

    fn config(&self) -> PathBuf {
        self.files.path().join("pebble.json")
    }

    fn write_config(&self, http_port: u16, validity: Duration) {
        let certificate = self.authority.server(&["127.0.0.1"]);
        let config = json!({ "pebble": {
            "listenAddress": self.listen,
            "managementListenAddress": self.management,
            "certificate": certificate.cert,
            "privateKey": certificate.key,
            "httpPort": http_port,
            "tlsPort": 1,
            "keyAlgorithm": "ecdsa",
            "retryAfter": { "authz": 1, "order": 1 },
            "profiles": { "default": { "description": "", "validityPeriod": validity.as_secs() } },
        }});
        fs::write(self.config(), config.to_string()).unwrap();
    }
}
