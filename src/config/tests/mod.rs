//! What the configuration promises, on whole texts.

mod affinity;
mod environment;
mod files;
mod invalid;
mod mistakes;
mod monitor;
mod notify;
mod probes;
mod reload;
mod service;

use super::{Problem, parse};

/// A valid service to put beside what a test is about.
const SERVICE: &str = r#"
[[service]]
name = "web"
stable.backends = ["10.0.0.1:80"]
canary.backends = ["10.0.0.2:80"]
"#;

fn problems(text: &str) -> Vec<Problem> {
    parse(text).map_or_else(|error| error.problems, |_| Vec::new())
}
