//! Certificates from a real ACME server, Pebble, which asks for its tokens over plain HTTP.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use crate::support::clients::{Pebble, Tool};
use crate::support::coalmine::Coalmine;
use crate::support::eventually::{eventually_some, within};
use crate::support::redis::{Redis, free_address};
use crate::support::{Backend, Config, eventually};

const DOMAIN: &str = "www.example.org";
/// For what has pauses of its own.
const PATIENCE: Duration = Duration::from_secs(120);
const LONG: Duration = Duration::from_secs(30 * 86_400);

/// A balancer's configuration, whose port for plain text the authority asks at.
fn config(backend: &Backend, pebble: &Pebble, http: SocketAddr, state: &TempDir) -> Config {
    let (directory, ca_file, state) = (&pebble.directory, pebble.ca_file().display(), state.path().join("acme"));
    Config::of(&[backend], &[])
        .listen(&format!("http = [\"{http}\"]\nhttps = [\"127.0.0.1:0\"]"))
        .listen("redirect_https = true")
        .acme(&format!(
            "directory = \"{directory}\"\ncontact = [\"mailto:ops@example.org\"]\ndomains = [\"{DOMAIN}\"]\n\
             state_dir = \"{}\"\nca_file = \"{ca_file}\"",
            state.display()
        ))
}

fn orders(coalmine: &Coalmine, result: &str) -> f64 {
    coalmine.metric("coalmine_acme_orders_total", &[("result", result)])
}

/// The serial number of the certificate that is shown, if it is one that `roots` vouch for.
fn shown(coalmine: &Coalmine, roots: &Path) -> Option<String> {
    let address = coalmine.listeners("https")[0].to_string();
    let client = Tool::openssl().args(["s_client", "-verify_return_error", "-servername", DOMAIN, "-verify_hostname"]);
    let exit = client.args([DOMAIN, "-connect", &address, "-CAfile"]).arg(roots).input("").run();
    let pem = exit.stdout.find("-----BEGIN").filter(|_| exit.code == Some(0)).map(|at| exit.stdout[at..].to_owned())?;
    Some(Tool::openssl().args(["x509", "-noout", "-serial"]).input(pem).output())
}

fn roots(pebble: &Pebble, directory: &TempDir) -> std::path::PathBuf {
    let file = directory.path().join("roots.pem");
    fs::write(&file, pebble.root()).unwrap();
    file
}

#[test]
fn a_certificate_is_ordered_kept_and_used_again() {
    let (backend, state, http) = (Backend::start("a"), tempfile::tempdir().unwrap(), free_address());
    let pebble = Pebble::start(http.port(), LONG);
    let roots = roots(&pebble, &state);
    let coalmine = config(&backend, &pebble, http, &state).start();
    let serial = eventually_some("a certificate is shown", || shown(&coalmine, &roots));
    assert_eq!(orders(&coalmine, "ok"), 1.0);
    assert!(coalmine.metric("coalmine_tls_certificate_expiry_timestamp_seconds", &[("certificate", DOMAIN)]) > 1e9);
    let files = |directory: &Path| fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    let authorities: Vec<_> = files(&state.path().join("acme"));
    assert_eq!(authorities.len(), 1, "{authorities:?}");
    let kept: Vec<_> = files(&authorities[0]);
    assert_eq!(kept.len(), 2, "an account and a certificate: {kept:?}");
    for file in &kept {
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600, "{}", file.display());
    }
    drop(coalmine);

    let again = config(&backend, &pebble, free_address(), &state).start();
    assert_eq!(shown(&again, &roots), Some(serial));
    assert_eq!((orders(&again, "ok"), orders(&again, "failed")), (0.0, 0.0));
}

#[test]
fn a_certificate_is_renewed_before_it_ends() {
    let (backend, state, http) = (Backend::start("a"), tempfile::tempdir().unwrap(), free_address());
    let pebble = Pebble::start(http.port(), Duration::from_secs(20));
    let roots = roots(&pebble, &state);
    let coalmine = config(&backend, &pebble, http, &state).start();
    let first = eventually_some("a certificate is shown", || shown(&coalmine, &roots));
    let renewed = within(PATIENCE, || shown(&coalmine, &roots).filter(|serial| *serial != first));
    assert!(renewed.is_some(), "no other certificate is shown");
}

#[test]
fn an_authority_that_fails_stops_no_traffic_and_is_asked_again() {
    let (backend, state, http) = (Backend::start("a"), tempfile::tempdir().unwrap(), free_address());
    let mut pebble = Pebble::start(http.port(), LONG);
    pebble.stop();
    let coalmine = config(&backend, &pebble, http, &state).start();
    eventually("the failure is counted", || orders(&coalmine, "failed") >= 1.0);
    eventually("the failure is logged", || {
        coalmine.process.stderr.text().contains("no certificate came from the authority")
    });
    assert_eq!(coalmine.get("/").status(), 308, "plain text is served on");
    pebble.restart();
    let roots = roots(&pebble, &state);
    assert!(within(PATIENCE, || shown(&coalmine, &roots)).is_some(), "no certificate is shown");
}

#[test]
fn the_authority_may_ask_any_balancer_on_the_same_redis() {
    let (backend, redis) = (Backend::start("a"), Redis::start());
    let (states, asked) = ([tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()], free_address());
    let pebble = Pebble::start(asked.port(), LONG);
    let roots = roots(&pebble, &states[0]);
    let named = |name, http, state| redis.watched_by(config(&backend, &pebble, http, state)).balancer(name);
    let answering = named("lb1", asked, &states[0]).start();
    let ordering = named("lb2", free_address(), &states[1]).start();
    let serials = [&answering, &ordering].map(|one| eventually_some("it has a certificate", || shown(one, &roots)));
    assert_ne!(serials[0], serials[1], "each has a key of its own");
    eventually("the tokens are taken back", || redis.cli(&["KEYS", "*acme:*"]).trim().is_empty());
}
