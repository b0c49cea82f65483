//! A server of tests/clients in a process of its own, which tells what happens to it.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::eventually::{eventually_some, within};
use super::super::process::Process;
use super::{Tool, events};

/// Python takes its time on a busy machine.
const START: Duration = Duration::from_secs(60);

/// Killed when dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    process: Process,
}

impl Server {
    /// `grpc_server.py`, with flags such as `--cert`. Its `--help` tells its methods and events.
    #[track_caller]
    pub(crate) fn grpc(flags: &[&str]) -> Self {
        Self::start(Tool::python("grpc_server.py").args(flags))
    }

    /// `websocket_server.py`, likewise.
    #[track_caller]
    pub(crate) fn websocket(flags: &[&str]) -> Self {
        Self::start(Tool::python("websocket_server.py").args(flags))
    }

    #[track_caller]
    fn start(tool: Tool) -> Self {
        let mut process = tool.start();
        let address = within(START, || {
            assert!(!process.has_ended(), "ended at the start: {:?}", process.wait());
            let told = events(&process.stdout.text());
            let listening = told.iter().find(|event| event["event"] == "listening")?;
            Some(listening["address"].as_str().unwrap().parse().unwrap())
        });
        Self { address: address.expect("the server listens"), process }
    }

    /// What it has told so far.
    pub(crate) fn events(&self) -> Vec<Value> {
        events(&self.process.stdout.text())
    }

    /// Waits for an event for which `wanted` holds, told ever since the start.
    #[track_caller]
    pub(crate) fn wait_event(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        eventually_some(what, || self.events().into_iter().find(|event| wanted(event)))
    }

    /// Waits for the end of a call of gRPC: `ok`, `failed` or `cancelled`.
    #[track_caller]
    pub(crate) fn wait_call(&self, method: &str, end: &str) -> Value {
        self.wait_event(&format!("{method} ends: {end}"), |event| {
            event["event"] == "call" && event["method"] == method && event["end"] == end
        })
    }

    /// Sets what the standard health service says of `service`, `""` for the whole: `SERVING`, `NOT_SERVING`.
    #[track_caller]
    pub(crate) fn set_health(&mut self, service: &str, status: &str) {
        self.command("health", &json!({ "health": service, "status": status }));
    }

    /// From here on each `Unary` ends with this status, 0: none does.
    #[track_caller]
    pub(crate) fn set_failing(&mut self, code: u8) {
        self.command("fail", &json!({ "fail": code }));
    }

    /// Gives it a command, and waits for the event that answers it.
    #[track_caller]
    fn command(&mut self, event: &str, command: &Value) {
        let told = self.events().len();
        self.process.tell(&command.to_string());
        eventually_some("the command is obeyed", || {
            self.events().into_iter().skip(told).find(|it| it["event"] == event)
        });
    }

    /// `STOP`, `CONT`, `KILL` and so on.
    #[track_caller]
    pub(crate) fn signal(&self, name: &str) {
        self.process.signal(name);
    }
}
