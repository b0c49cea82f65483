//! The program itself, started as a user starts it.

use std::fmt::Display;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::client::{self, Connection, Response};
use super::config::Config;
use super::eventually::{eventually, eventually_some};
use super::metrics;
use super::process::{Exit, Process};

/// `coalmine serve`, running. Killed when dropped.
pub(crate) struct Coalmine {
    pub(crate) http: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) process: Process,
    config: TempDir,
}

impl Coalmine {
    /// Returns when the program listens, which is before it is ready.
    #[track_caller]
    pub(crate) fn start(config: &Config) -> Self {
        Self::start_by(config, Command::new(env!("CARGO_BIN_EXE_coalmine")))
    }

    /// The same by another name of the program, such as a link to it.
    #[track_caller]
    pub(crate) fn start_as(config: &Config, program: &Path) -> Self {
        Self::start_by(config, Command::new(program))
    }

    /// The same as systemd would start it: with these variables, and `socket`, if there is one, as its first inherited
    /// one, by the name `name`.
    #[track_caller]
    pub(crate) fn start_under_systemd(
        config: &Config,
        variables: &[(&str, &str)],
        socket: Option<(&str, std::net::TcpListener)>,
    ) -> Self {
        let mut command = Command::new("bash");
        let (listen, stdin) = match socket {
            Some((name, socket)) => (
                format!("LISTEN_FDS=1 LISTEN_PID=$$ LISTEN_FDNAMES={name} exec \"$@\" 3<&0 </dev/null"),
                Stdio::from(OwnedFd::from(socket)),
            ),
            None => ("exec \"$@\"".to_owned(), Stdio::piped()),
        };
        command.args(["-c", &listen, "bash", env!("CARGO_BIN_EXE_coalmine")]).envs(variables.iter().copied());
        Self::start_with(config, command, stdin)
    }

    /// Writes another configuration to the file that the program was started with.
    #[track_caller]
    pub(crate) fn rewrite(&self, text: &str) {
        std::fs::write(self.config.path().join("coalmine.toml"), text).unwrap();
    }

    /// The same with at most `files` open files: a number, or `soft:hard`.
    #[track_caller]
    pub(crate) fn start_with_files(config: &Config, files: impl Display) -> Self {
        let mut command = Command::new("prlimit");
        command.arg(format!("--nofile={files}")).arg(env!("CARGO_BIN_EXE_coalmine"));
        Self::start_by(config, command)
    }

    /// The same by `command`, whoever runs it: everybody may read the configuration.
    #[track_caller]
    pub(crate) fn start_readable(config: &Config, command: Command) -> Self {
        let (directory, path) = config.write();
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        Self::start_in(directory, &path, command, Stdio::piped())
    }

    #[track_caller]
    fn start_by(config: &Config, command: Command) -> Self {
        Self::start_with(config, command, Stdio::piped())
    }

    #[track_caller]
    fn start_with(config: &Config, command: Command, stdin: Stdio) -> Self {
        let (directory, path) = config.write();
        Self::start_in(directory, &path, command, stdin)
    }

    #[track_caller]
    fn start_in(directory: TempDir, path: &Path, mut command: Command, stdin: Stdio) -> Self {
        command.args(["serve", "-c"]).arg(path);
        let mut process = Process::start_with(bare(command), stdin);
        let mut listening = |listener: &str| {
            eventually_some(&format!("it listens for {listener}"), || {
                assert!(!process.has_ended(), "ended at the start: {:?}", process.wait());
                process.stderr.text().lines().find_map(|line| bound(line, listener))
            })
        };
        let (http, admin) = (listening("http"), listening("admin"));
        Self { http, admin, process, config: directory }
    }

    /// The addresses of all listeners of a kind: `http`, `admin`, `metrics`.
    pub(crate) fn listeners(&self, listener: &str) -> Vec<SocketAddr> {
        self.process.stderr.text().lines().filter_map(|line| bound(line, listener)).collect()
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.ask("GET", "/readyz").status() == 200
    }

    #[track_caller]
    pub(crate) fn wait_ready(&self) {
        eventually("the program is ready", || self.is_ready());
    }

    #[track_caller]
    pub(crate) fn wait_admitted(&self, service: &str) {
        eventually(&format!("the canary of {service} is admitted"), || {
            // On its way back from an ejection it waits for a request of a client.
            if self.reasons(service).iter().any(|reason| reason == "trial") {
                self.get("/");
            }
            self.is_admitted(service)
        });
    }

    #[track_caller]
    pub(crate) fn wait_ejected(&self, service: &str, reason: &str) {
        eventually(&format!("the canary of {service} is ejected for {reason}"), || {
            !self.is_admitted(service) && self.reasons(service).iter().any(|r| r == reason)
        });
    }

    #[track_caller]
    pub(crate) fn is_admitted(&self, service: &str) -> bool {
        self.gate(service)["state"] == "admitted"
    }

    #[track_caller]
    pub(crate) fn reasons(&self, service: &str) -> Vec<String> {
        let gate = self.gate(service);
        let reasons = gate["reasons"].as_array().unwrap_or_else(|| panic!("no reasons in {gate}"));
        reasons.iter().map(|reason| reason.as_str().unwrap().to_owned()).collect()
    }

    #[track_caller]
    pub(crate) fn gate(&self, service: &str) -> Value {
        self.service(service)["gate"].clone()
    }

    /// What the API says about a backend.
    #[track_caller]
    pub(crate) fn backend(&self, service: &str, track: &str, id: &str) -> Value {
        let service = self.service(service);
        let backends = service["tracks"][track]["backends"].as_array();
        let found = backends.into_iter().flatten().find(|backend| backend["id"] == id);
        found.unwrap_or_else(|| panic!("no {track} backend {id} in {service}")).clone()
    }

    #[track_caller]
    pub(crate) fn wait_backend(&self, service: &str, track: &str, id: &str, state: &str) {
        eventually(&format!("{track} {id} is {state}"), || self.backend(service, track, id)["state"] == state);
    }

    #[track_caller]
    pub(crate) fn service(&self, name: &str) -> Value {
        let all = self.ask("GET", "/api/v1/services").json();
        let found = all["services"].as_array().into_iter().flatten().find(|service| service["name"] == name);
        found.unwrap_or_else(|| panic!("no service {name} in {all}")).clone()
    }

    /// Raises the alert `K:api` of the service.
    #[track_caller]
    pub(crate) fn raise(&self, service: &str) {
        assert_eq!(self.ask("PUT", &alert(service)).status(), 200);
    }

    #[track_caller]
    pub(crate) fn clear(&self, service: &str) {
        assert_eq!(self.ask("DELETE", &alert(service)).status(), 200);
    }

    /// A request to the admin listener.
    #[track_caller]
    pub(crate) fn ask(&self, method: &str, target: &str) -> Response {
        Connection::open(self.admin).request(method, target, &["Content-Length: 0"])
    }

    /// The same with a JSON body and more fields.
    #[track_caller]
    pub(crate) fn ask_with(&self, method: &str, target: &str, fields: &[&str], body: &str) -> Response {
        let length = format!("Content-Length: {}", body.len());
        let mut all = vec!["Content-Type: application/json", &length];
        all.extend(fields);
        let mut connection = Connection::open(self.admin);
        connection.send(client::request(method, target, &all) + body);
        connection.receive()
    }

    /// Sum of a metric's samples with these labels; 0 when there is none.
    #[track_caller]
    pub(crate) fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        metrics::sum(&self.ask("GET", "/metrics").text(), name, labels).unwrap_or(0.0)
    }

    /// How often a limit or a check has fired.
    #[track_caller]
    pub(crate) fn refused(&self, reason: &str) -> f64 {
        self.metric("coalmine_refused_total", &[("reason", reason)])
    }

    /// Resident memory in KiB.
    #[track_caller]
    pub(crate) fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.pid())).unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        resident.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// One request through the proxy on a connection of its own.
    #[track_caller]
    pub(crate) fn get(&self, target: &str) -> Response {
        client::get(self.http, target)
    }

    #[track_caller]
    pub(crate) fn connect(&self) -> Connection {
        Connection::open(self.http)
    }
}

/// Runs the program to its end.
#[track_caller]
pub(crate) fn run(arguments: &[&str]) -> Exit {
    run_with(arguments, &[])
}

/// The same with variables in its environment.
#[track_caller]
pub(crate) fn run_with(arguments: &[&str], variables: &[(&str, &str)]) -> Exit {
    spawn(arguments, variables).wait()
}

pub(crate) fn spawn(arguments: &[&str], variables: &[(&str, &str)]) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_coalmine"));
    command.args(arguments);
    Process::start({
        let mut command = bare(command);
        command.envs(variables.iter().copied());
        command
    })
}

/// Runs `coalmine serve` with a configuration that it must not start with.
#[track_caller]
pub(crate) fn refused(config: &Config) -> Exit {
    let (_directory, path) = config.write();
    run(&["serve", "-c", text(&path)])
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("temporary paths are plain text")
}

pub(crate) fn alert(service: &str) -> String {
    format!("/api/v1/services/{service}/alert")
}

/// Nothing of the machine's own settings.
pub(crate) fn bare(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        let name_text = name.to_string_lossy();
        if name_text.starts_with("COALMINE_") || ["RUST_LOG", "NOTIFY_SOCKET"].contains(&&*name_text) {
            command.env_remove(name);
        }
    }
    command
}

/// The address in a log line that says `listener` listens, in either format.
fn bound(line: &str, listener: &str) -> Option<SocketAddr> {
    if let Ok(json) = serde_json::from_str::<Value>(line) {
        let fields = if json["fields"].is_object() { &json["fields"] } else { &json };
        return (fields["listener"] == listener).then(|| fields["address"].as_str()?.parse().ok()).flatten();
    }
    let field = |name: &str| {
        let value = line.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))?;
        Some(value.trim_matches('"').to_owned())
    };
    let says_so = line.contains("listening") && field("listener")? == listener;
    says_so.then(|| field("address")?.parse().ok()).flatten()
}

#[test]
fn the_log_says_where_a_listener_is() {
    let address = "127.0.0.1:4711".parse().ok();
    assert_eq!(
        bound("2026-01-01T00:00:00Z  INFO coalmine: listening listener=http address=127.0.0.1:4711", "http"),
        address
    );
    assert_eq!(bound("INFO listening listener=\"http\" address=\"127.0.0.1:4711\"", "http"), address);
    assert_eq!(bound(r#"{"fields":{"listener":"http","address":"127.0.0.1:4711"}}"#, "http"), address);
    assert_eq!(bound("INFO listening listener=admin address=127.0.0.1:4711", "http"), None);
}
