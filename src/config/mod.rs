//! What the operator wrote, turned into [`Settings`], or for the agent of a host into [`MonitorSettings`].
//!
//! One file and the environment over it (`environment`) become a `document`, which is read strictly (`raw`)
//! and resolved (`resolve`) into types that cannot be wrong. Every mistake is a [`Problem`] with its place, its
//! value and its remedy, and all are told at once; only a syntax error comes alone. [`render`] is the way back.
//! [`needs_restart`] tells which changes a running process cannot take over.
//!
//! figment stays inside this module.

use std::path::Path;
use std::time::SystemTime;

use crate::model::{MonitorSettings, Settings};

mod document;
mod environment;
mod key;
mod print;
mod problem;
mod raw;
mod reload;
mod resolve;
#[cfg(test)]
mod tests;

pub use print::render;
pub use problem::{ConfigError, Problem};
pub use reload::needs_restart;

use document::Document;
use environment::{BALANCER, MONITOR, Names, Variable};
use problem::Problems;
use serde::de::DeserializeOwned;

/// Reads `path` and the process's `COALMINE_` variables. Blocks on the file and on the secrets it names, whose relative
/// paths count from the file's directory.
///
/// # Errors
///
/// Every mistake that was found.
pub fn load(path: &Path) -> Result<Settings, ConfigError> {
    load_with(path, variables())
}

/// The same, and stricter: a certificate that is out of date is a mistake here, while a balancer that starts warns of it
/// and serves its other sites.
///
/// # Errors
///
/// Every mistake that was found.
pub fn check(path: &Path) -> Result<Settings, ConfigError> {
    let settings = load(path)?;
    let problems = resolve::out_of_date(&settings.tls, &path.display().to_string(), SystemTime::now());
    if problems.is_empty() { Ok(settings) } else { Err(ConfigError { problems }) }
}

/// Reads the configuration of an agent and the process's `COALMINE_MONITOR_` variables, as [`load`] does.
///
/// # Errors
///
/// Every mistake that was found.
pub fn load_monitor(path: &Path) -> Result<MonitorSettings, ConfigError> {
    load_monitor_with(path, variables())
}

/// Resolves `text` alone, without the environment. Relative paths of secrets count from the working directory.
///
/// # Errors
///
/// Every mistake that was found.
pub fn parse(text: &str) -> Result<Settings, ConfigError> {
    resolved("configuration", text, Path::new(""), Vec::new(), resolve::settings)
}

fn variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().map(|(name, value)| (lossy(name), lossy(value)))
}

fn load_with(path: &Path, environment: impl IntoIterator<Item = (String, String)>) -> Result<Settings, ConfigError> {
    read(path, &BALANCER, "config/minimal.toml", environment, resolve::settings)
}

fn load_monitor_with(
    path: &Path,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<MonitorSettings, ConfigError> {
    read(path, &MONITOR, "config/monitor.toml", environment, resolve::monitor)
}

fn read<R: DeserializeOwned + Default, S>(
    path: &Path,
    names: &Names,
    start: &str,
    environment: impl IntoIterator<Item = (String, String)>,
    resolve: impl FnOnce(&mut Problems<'_>, &R, &Path, bool) -> Option<S>,
) -> Result<S, ConfigError> {
    let file = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| ConfigError {
        problems: vec![Problem {
            origin: file.clone(),
            key: String::new(),
            value: None,
            why: format!("cannot be read: {error}"),
            remedy: format!("name a readable configuration file; {start} is a start"),
        }],
    })?;
    let directory = path.parent().unwrap_or_else(|| Path::new(""));
    resolved(&file, &text, directory, Variable::select(names, environment), resolve)
}

/// `resolve` is given what was written, where relative paths begin, and whether nothing was left out for its shape.
fn resolved<R: DeserializeOwned + Default, S>(
    file: &str,
    text: &str,
    directory: &Path,
    variables: Vec<Variable>,
    resolve: impl FnOnce(&mut Problems<'_>, &R, &Path, bool) -> Option<S>,
) -> Result<S, ConfigError> {
    let document = Document::new(file, text, variables).map_err(|problem| ConfigError { problems: vec![problem] })?;
    let (raw, misshapen) = document.raw();
    let origin = |key: &key::Key| document.origin(key);
    let mut problems = Problems::new(&origin);
    let settings = resolve(&mut problems, &raw, directory, misshapen.is_empty());

    // What was left out for its shape is not missing as well, nor is what it was a part of.
    let mut wrong = problems.into_found();
    wrong.retain(|(key, problem)| {
        let missing = problem.value.is_none();
        !misshapen.iter().any(|(left_out, _)| key.is_within(left_out) || (missing && left_out.is_within(key)))
    });
    let problems: Vec<Problem> = misshapen.into_iter().chain(wrong).map(|(_, problem)| problem).collect();
    match settings {
        Some(settings) if problems.is_empty() => Ok(settings),
        _ => Err(ConfigError { problems }),
    }
}

fn lossy(text: std::ffi::OsString) -> String {
    text.to_string_lossy().into_owned()
}
