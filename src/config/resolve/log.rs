//! `[log]`.

use tracing_subscriber::EnvFilter;

use super::scalar::word;
use crate::config::key::Key;
use crate::config::problem::Problems;
use crate::config::raw::RawLog;
use crate::model::{AccessLog, LogFormat, LogSettings};

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

pub(super) fn log(problems: &mut Problems<'_>, raw: &RawLog) -> Option<LogSettings> {
    let key = Key::top("log");
    let level = level(problems, &key.field("level"), &raw.level);
    let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
    let format = word(problems, &key.field("format"), &raw.format, &formats);
    let accesses = [("off", AccessLog::Off), ("text", AccessLog::Text), ("json", AccessLog::Json)];
    let access = word(problems, &key.field("access"), &raw.access, &accesses);
    Some(LogSettings { level: level?, format: format?, access: access? })
}

/// A lone word that is no level names a module for the filter, and silences the rest: `inof` would hide every line.
fn level(problems: &mut Problems<'_>, key: &Key, text: &str) -> Option<String> {
    let remedy = "write off, error, warn, info, debug or trace, or directives such as \"info,coalmine=debug\"";
    if text.trim().is_empty() {
        return problems.refuse(key, text, "no level", remedy);
    }
    if let Some(typo) = text.split(',').map(str::trim).find(|directive| nearly_a_level(directive)) {
        return problems.refuse(key, text, format!("`{typo}` is not a level"), remedy);
    }
    match EnvFilter::try_new(text) {
        Ok(_) => Some(text.to_owned()),
        Err(error) => problems.refuse(key, text, format!("not a log filter: {error}"), remedy),
    }
}

fn nearly_a_level(directive: &str) -> bool {
    let word = directive.to_ascii_lowercase();
    let plain = word.bytes().all(|b| b.is_ascii_alphabetic());
    let near = |level: &&str| strsim::osa_distance(level, &word) <= 1 || word.starts_with(*level);
    plain && !LEVELS.contains(&word.as_str()) && LEVELS.iter().any(near)
}
