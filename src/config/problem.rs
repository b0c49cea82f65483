//! What is wrong with a configuration, said so that its author can mend it.

use std::fmt::{self, Write as _};

use super::key::Key;

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, or the environment variable, that says it.
    pub origin: String,
    /// Path of the key, such as `service[0].canary.weight`; empty when the mistake is about the file as a whole.
    pub key: String,
    /// What was found, as written; secrets are masked. `None` when something is missing.
    pub value: Option<String>,
    pub why: String,
    pub remedy: String,
}

/// One line: `FILE: key.path: `value`: why; remedy`. Control characters in it are escaped.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin, key, value, why, remedy } = self;
        let key = if key.is_empty() { String::new() } else { format!("{key}: ") };
        let value = value.as_ref().map_or_else(String::new, |value| format!("`{value}`: "));
        let line = format!("{origin}: {key}{value}{why}; {remedy}");
        line.chars()
            .try_for_each(|c| if c.is_control() { write!(f, "{}", c.escape_default()) } else { f.write_char(c) })
    }
}

/// Every mistake of a configuration, never empty. Reads as one line for each.
#[derive(Debug, thiserror::Error)]
#[error("{}", lines(.problems))]
pub struct ConfigError {
    pub problems: Vec<Problem>,
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Gathers mistakes while the resolution goes on.
pub(super) struct Problems<'a> {
    origin: &'a dyn Fn(&Key) -> String,
    found: Vec<(Key, Problem)>,
}

impl<'a> Problems<'a> {
    /// `origin` tells which file or variable a key was written in.
    pub(super) fn new(origin: &'a dyn Fn(&Key) -> String) -> Self {
        Self { origin, found: Vec::new() }
    }

    /// Notes a mistake in what is written at `key`. Always `None`, so that a parser can end with it.
    pub(super) fn refuse<T>(
        &mut self,
        key: &Key,
        value: impl fmt::Display,
        why: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Option<T> {
        self.note(key, Some(value.to_string()), why.into(), remedy.into())
    }

    /// Notes that something must be written at `key` and is not.
    pub(super) fn miss<T>(&mut self, key: &Key, why: impl Into<String>, remedy: impl Into<String>) -> Option<T> {
        self.note(key, None, why.into(), remedy.into())
    }

    fn note<T>(&mut self, key: &Key, value: Option<String>, why: String, remedy: String) -> Option<T> {
        let problem = Problem { origin: (self.origin)(key), key: key.to_string(), value, why, remedy };
        // A key that two tracks share is read twice.
        if !self.found.iter().any(|(_, other)| *other == problem) {
            self.found.push((key.clone(), problem));
        }
        None
    }

    pub(super) fn into_found(self) -> Vec<(Key, Problem)> {
        self.found
    }
}
