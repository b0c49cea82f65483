//! The layers of the configuration put together, and who said what in them.
//!
//! Deserialization ends at its first error. To report every wrong name and shape at once, the wrong value is noted,
//! taken out, and the rest read again.

use figment::error::{Actual, Kind};
use figment::providers::{Format, Toml};
use figment::value::Value;
use figment::{Figment, Source};
use serde::de::DeserializeOwned;

use super::environment::Variable;
use super::key::{Key, Step};
use super::problem::Problem;

/// More mistakes of shape than this are not worth reading.
const MOST_MISTAKES: usize = 100;

/// The file with the environment over it.
pub(super) struct Document {
    file: String,
    figment: Figment,
    value: Value,
}

impl Document {
    /// Fails on a syntax error in `text`.
    pub(super) fn new(file: &str, text: &str, variables: Vec<Variable>) -> Result<Self, Problem> {
        let figment = variables.into_iter().fold(Figment::from(Toml::string(text)), Figment::merge);
        let value = figment.find_value("").map_err(|error| Problem {
            origin: file.to_owned(),
            key: String::new(),
            value: None,
            why: format!("not valid TOML: {}", syntax(text).unwrap_or_else(|| error.kind.to_string())),
            remedy: "correct the syntax there".into(),
        })?;
        Ok(Self { file: file.to_owned(), figment, value })
    }

    /// The file or environment variable that wrote `key`; the file when nobody did.
    pub(super) fn origin(&self, key: &Key) -> String {
        match self.variable(key) {
            Some(name) => format!("environment variable `{name}`"),
            None => self.file.clone(),
        }
    }

    /// The configuration as written, with each wrong name or shape beside the key that was left out for it.
    pub(super) fn raw<R: DeserializeOwned + Default>(&self) -> (R, Vec<(Key, Problem)>) {
        let mut value = self.value.clone();
        let mut problems = Vec::new();
        loop {
            let error = match R::deserialize(&value) {
                Ok(raw) => return (raw, problems),
                Err(error) => error,
            };
            let key = locate(&value, &error.path);
            problems.push((key.nearest_field(), self.problem(&key, &error.kind)));
            if problems.len() == MOST_MISTAKES || !remove(&mut value, &key.nearest_field()) {
                return (R::default(), problems);
            }
        }
    }

    fn problem(&self, key: &Key, kind: &Kind) -> Problem {
        let (why, remedy) = match kind {
            Kind::UnknownField(name, known) => (format!("there is no key `{name}` here"), suggest(name, known)),
            Kind::InvalidType(actual, expected) => {
                (format!("found {}, expected {}", found(actual), wanted(expected)), self.reshape(key, expected))
            }
            other => (other.to_string(), "correct the value".into()),
        };
        let value = find(&self.value, key).map(|value| literal(key, value));
        Problem { origin: self.origin(key), key: key.to_string(), value, why, remedy }
    }

    /// How to write what `expected` asks for.
    fn reshape(&self, key: &Key, expected: &str) -> String {
        let variable = self.variable(key);
        match (expected, variable) {
            ("a string", Some(name)) => format!("write it in double quotes: {name}='\"...\"'"),
            ("a string", None) => "write it in double quotes".into(),
            ("a sequence", Some(name)) => {
                let list = name.split("__").take(key.steps().len()).collect::<Vec<_>>().join("__");
                format!("a list is replaced as a whole: {list}='[...]'")
            }
            ("a sequence", None) if key.ends_in(&["service", "rule", "check", "certificate"]) => {
                format!("write [[{}]], with two brackets", key.heading())
            }
            ("a sequence", None) => "write a list: [\"...\"]".into(),
            ("a boolean", _) => "write true or false, without quotes".into(),
            ("i64", _) => "write a whole number, without quotes".into(),
            (expected, _) => format!("write {expected}"),
        }
    }

    fn variable(&self, key: &Key) -> Option<&str> {
        match self.figment.get_metadata(find(&self.value, key)?.tag())?.source.as_ref()? {
            Source::Custom(name) => Some(name),
            _ => None,
        }
    }
}

/// Where and why `text` is no TOML, in one line: figment passes on only a drawing of it.
fn syntax(text: &str) -> Option<String> {
    let error = text.parse::<toml::Table>().err()?;
    let before = text.get(..error.span()?.start)?;
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    Some(format!("line {line}, column {column}: {}", error.message().trim_end().replace('\n', ", ")))
}

/// Turns figment's path into a key; only the value tells an index from a field.
fn locate(value: &Value, path: &[String]) -> Key {
    path.iter().fold(Key::default(), |key, step| match (find(value, &key), step.parse()) {
        (Some(Value::Array(..)), Ok(index)) => key.index(index),
        _ => key.field(step),
    })
}

fn find<'v>(value: &'v Value, key: &Key) -> Option<&'v Value> {
    key.steps().iter().try_fold(value, |value, step| match step {
        Step::Field(field) => value.as_dict()?.get(field),
        Step::Index(index) => value.as_array()?.get(*index),
    })
}

/// Whether there was something at `key` to remove; `key` must end in a field.
fn remove(value: &mut Value, key: &Key) -> bool {
    let Some((Step::Field(last), above)) = key.steps().split_last() else { return false };
    let parent = above.iter().try_fold(value, |value, step| match (step, value) {
        (Step::Field(field), Value::Dict(_, dict)) => dict.get_mut(field),
        (Step::Index(index), Value::Array(_, array)) => array.get_mut(*index),
        _ => None,
    });
    match parent {
        Some(Value::Dict(_, dict)) => dict.remove(last).is_some(),
        _ => false,
    }
}

/// The shape without the value, which may be a secret.
fn found(actual: &Actual) -> &'static str {
    match actual {
        Actual::Bool(_) => "true or false",
        Actual::Unsigned(_) | Actual::Signed(_) => "a whole number",
        Actual::Float(_) => "a number",
        Actual::Str(_) | Actual::Char(_) => "text",
        Actual::Seq => "a list",
        Actual::Map => "a table",
        _ => "something else",
    }
}

fn wanted(expected: &str) -> &str {
    match expected {
        "a string" => "text",
        "a sequence" => "a list",
        "a boolean" => "true or false",
        "i64" => "a whole number",
        other => other,
    }
}

fn suggest(name: &str, known: &[&str]) -> String {
    let nearest = known.iter().max_by(|a, b| strsim::jaro_winkler(name, a).total_cmp(&strsim::jaro_winkler(name, b)));
    let known = known.join(", ");
    match nearest {
        Some(nearest) if strsim::jaro_winkler(name, nearest) > 0.75 => {
            format!("did you mean `{nearest}`? known here: {known}")
        }
        _ => format!("remove it; known here: {known}"),
    }
}

/// The value as written, short, and masked where a secret may have been written by mistake.
fn literal(key: &Key, value: &Value) -> String {
    let name = key.to_string();
    let named = ["pass", "token", "secret", "auth", "url"].iter().any(|word| name.contains(word));
    // All of this table, since a misspelt `key` has the key.
    if named || key.is_within(&Key::top("affinity")) {
        return "***".into();
    }
    let text = match value {
        Value::String(_, text) => text.clone(),
        Value::Dict(..) => "{ ... }".into(),
        Value::Array(..) => "[ ... ]".into(),
        scalar => toml::Value::try_from(scalar).map_or_else(|_| "...".into(), |value| value.to_string()),
    };
    if text.chars().count() > 80 { text.chars().take(80).chain("...".chars()).collect() } else { text }
}
