//! Writes a configuration for a test: every address free, everything else as the test says.

use std::fmt::Display;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use tempfile::TempDir;

use super::backend::Backend;
use super::coalmine::Coalmine;

/// A whole configuration, in the making.
#[derive(Clone, Default)]
pub(crate) struct Config {
    listen: String,
    tls: String,
    limits: String,
    log: String,
    admin: String,
    balancer: String,
    redis: Option<String>,
    affinity: String,
    notify: String,
    services: Vec<Service>,
}

/// One service, in the making.
#[derive(Clone)]
pub(crate) struct Service {
    keys: String,
    tables: String,
    probe: String,
}

impl Config {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// A service `web` for all requests: three stable backends would be `of(&[&a, &b, &c], &[])`. The weights are the
    /// defaults, 2 and 1.
    pub(crate) fn of(stable: &[&Backend], canary: &[&Backend]) -> Self {
        Self::new().service(Service::of("web", stable, canary))
    }

    /// One line for `[listen]`. `http` is set already.
    pub(crate) fn listen(mut self, line: &str) -> Self {
        push(&mut self.listen, line);
        self
    }

    /// A `[[tls.certificate]]`, after those before it.
    pub(crate) fn certificate(mut self, lines: &str) -> Self {
        push(&mut self.tls, &format!("[[tls.certificate]]\n{lines}"));
        self
    }

    /// `[tls.acme]`.
    pub(crate) fn acme(mut self, lines: &str) -> Self {
        push(&mut self.tls, &format!("[tls.acme]\n{lines}"));
        self
    }

    /// One line for `[limits]`.
    pub(crate) fn limits(mut self, line: &str) -> Self {
        push(&mut self.limits, line);
        self
    }

    /// One line for `[log]`.
    pub(crate) fn log(mut self, line: &str) -> Self {
        push(&mut self.log, line);
        self
    }

    /// One line for `[admin]`. `listen` is set already.
    pub(crate) fn admin(mut self, line: &str) -> Self {
        push(&mut self.admin, line);
        self
    }

    /// Its name among others; without any the table is left out.
    pub(crate) fn balancer(mut self, name: &str) -> Self {
        self.balancer = format!("[balancer]\nname = \"{name}\"\n");
        self
    }

    /// One line for `[redis]`; without any the table is left out.
    pub(crate) fn redis(mut self, line: &str) -> Self {
        push(self.redis.get_or_insert_default(), line);
        self
    }

    /// Redis at this address.
    pub(crate) fn redis_at(self, address: SocketAddr) -> Self {
        self.redis(&format!("url = \"redis://{address}/0\""))
    }

    /// One line for `[affinity]`; without any the table is left out.
    pub(crate) fn affinity(mut self, line: &str) -> Self {
        push(&mut self.affinity, line);
        self
    }

    /// The table `[notify]` and those below it.
    pub(crate) fn notify(mut self, lines: &str) -> Self {
        self.notify = format!("[notify]\n{lines}\n");
        self
    }

    pub(crate) fn service(mut self, service: Service) -> Self {
        self.services.push(service);
        self
    }

    /// Starts the program and waits until it is ready.
    #[track_caller]
    pub(crate) fn start(self) -> Coalmine {
        let coalmine = Coalmine::start(&self);
        coalmine.wait_ready();
        coalmine
    }

    /// Starts the program, waits until it is ready and the canary of `web` is admitted.
    #[track_caller]
    pub(crate) fn start_admitted(self) -> Coalmine {
        let coalmine = self.start();
        coalmine.wait_admitted("web");
        coalmine
    }

    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let http = unless_set(&self.listen, "http", "http = [\"127.0.0.1:0\"]\n");
        let admin = unless_set(&self.admin, "listen", "listen = \"127.0.0.1:0\"\n");
        text += &format!("[listen]\n{http}{}\n[log]\n{}\n[admin]\n{admin}{}\n", self.listen, self.log, self.admin);
        text += &self.tls;
        text += &format!("[limits]\n{}", self.limits);
        text += &self.balancer;
        if let Some(redis) = &self.redis {
            text += &format!("[redis]\n{redis}\n");
        }
        if !self.affinity.is_empty() {
            text += &format!("[affinity]\n{}\n", self.affinity);
        }
        text += &self.notify;
        for service in &self.services {
            text += &format!("[[service]]\n{}{}", service.keys, service.tables);
            if !service.probe.is_empty() {
                text += &format!("[service.probe]\n{}", service.probe);
            }
        }
        text
    }

    /// Writes the configuration to a directory of its own.
    pub(crate) fn write(&self) -> (TempDir, PathBuf) {
        written(&self.text())
    }
}

impl Service {
    pub(crate) fn new(name: &str) -> Self {
        let service = Self { keys: String::new(), tables: String::new(), probe: String::new() };
        service.key(&format!("name = \"{name}\""))
    }

    /// Probes are patient, so that a busy machine takes no backend out; tests about health say otherwise.
    pub(crate) fn of(name: &str, stable: &[&Backend], canary: &[&Backend]) -> Self {
        let service = Self::new(name).named("stable", 2, stable);
        let service = if canary.is_empty() { service } else { service.named("canary", 1, canary) };
        service.probe("timeout = \"5s\"")
    }

    /// One line of the service itself.
    pub(crate) fn key(mut self, line: &str) -> Self {
        push(&mut self.keys, line);
        self
    }

    /// A track whose backends are known by the ids of the test.
    pub(crate) fn named(self, track: &str, weight: u16, backends: &[&Backend]) -> Self {
        let named = |backend: &&Backend| format!("{{ address = \"{}\", name = \"{}\" }}", backend.address, backend.id);
        let backends: Vec<_> = backends.iter().map(named).collect();
        self.table(track, &format!("weight = {weight}\nbackends = [{}]", backends.join(", ")))
    }

    /// A track whose backends are known by their addresses.
    pub(crate) fn track(self, track: &str, weight: u16, backends: &[impl Display]) -> Self {
        let backends: Vec<_> = backends.iter().map(|backend| format!("\"{backend}\"")).collect();
        self.table(track, &format!("weight = {weight}\nbackends = [{}]", backends.join(", ")))
    }

    /// A table under the service, such as `timeout` or `stable`.
    pub(crate) fn table(mut self, name: &str, lines: &str) -> Self {
        push(&mut self.tables, &format!("[service.{name}]\n{lines}"));
        self
    }

    /// One `[[service.rule]]`, after those before it.
    pub(crate) fn rule(mut self, lines: &str) -> Self {
        push(&mut self.tables, &format!("[[service.rule]]\n{lines}"));
        self
    }

    /// One line for `[service.probe]`; the last of a key wins.
    pub(crate) fn probe(mut self, line: &str) -> Self {
        let key = line.split('=').next().unwrap_or_default();
        self.probe = self.probe.lines().filter(|old| !old.starts_with(key)).map(|old| format!("{old}\n")).collect();
        push(&mut self.probe, line);
        self
    }

    /// Probes often and asks for few, so that tests about health need not wait long.
    pub(crate) fn quick_probes(self) -> Self {
        self.probe("interval = \"50ms\"").probe("fall = 1").probe("rise = 1")
    }
}

/// A configuration as it stands, in a directory of its own.
pub(crate) fn written(text: &str) -> (TempDir, PathBuf) {
    file("coalmine.toml", text)
}

/// A file in a directory of its own, such as one with a secret.
pub(crate) fn file(name: &str, text: &str) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    fs::write(&path, text).unwrap();
    (directory, path)
}

/// `line`, unless `lines` has the key already.
fn unless_set<'a>(lines: &str, key: &str, line: &'a str) -> &'a str {
    if lines.lines().any(|line| line.split('=').next().is_some_and(|name| name.trim() == key)) { "" } else { line }
}

fn push(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}
