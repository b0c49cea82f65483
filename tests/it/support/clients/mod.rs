//! Clients and servers that nobody here wrote. `make setup-test` installs them; tests/clients has what drives those in
//! Python.

mod h2spec;
mod pebble;
mod server;
mod testssl;
mod tool;

pub(crate) use h2spec::{Conformance, h2spec};
pub(crate) use pebble::Pebble;
pub(crate) use server::Server;
pub(crate) use testssl::testssl;
pub(crate) use tool::Tool;

use serde_json::Value;

/// Runs scenarios of tests/clients/grpc_client.py: the target, names of scenarios, flags. Gives what each has seen;
/// panics when one failed.
#[track_caller]
pub(crate) fn grpc(arguments: &[&str]) -> Vec<Value> {
    scenarios(Tool::python("grpc_client.py").args(arguments))
}

/// The same for tests/clients/websocket_client.py: the URL, names of scenarios, flags.
#[track_caller]
pub(crate) fn websocket(arguments: &[&str]) -> Vec<Value> {
    scenarios(Tool::python("websocket_client.py").args(arguments))
}

/// The same for tests/clients/websocket_h2.py.
#[track_caller]
pub(crate) fn websocket_h2(arguments: &[&str]) -> Vec<Value> {
    scenarios(Tool::python("websocket_h2.py").args(arguments))
}

#[track_caller]
fn scenarios(tool: Tool) -> Vec<Value> {
    let seen = events(&tool.output());
    assert!(!seen.is_empty(), "no scenario was run");
    seen
}

/// The JSON objects of whole lines.
fn events(text: &str) -> Vec<Value> {
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}
