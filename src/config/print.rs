//! The resolved settings as text, for `coalmine check`.

use std::fmt::Write;

use serde::Serialize;
use toml::{Table, Value};

/// Every setting with its default filled in, as TOML in the words of the file; secrets are masked. Without secrets the
/// text is itself a configuration with the same meaning.
pub fn render(settings: &impl Serialize) -> String {
    let table = Table::try_from(settings).expect("settings are text, numbers, lists and tables");
    let mut out = String::new();
    section(&mut out, None, &table);
    out
}

/// Writes the plain keys of a table under its heading, then its tables. Of lists of tables, services, rules, checks,
/// webhooks and certificates get headings; backends stay on their line.
fn section(out: &mut String, path: Option<&str>, table: &Table) {
    let join = |key: &str| path.map_or_else(|| key.to_owned(), |path| format!("{path}.{key}"));
    for (key, value) in table {
        if !matches!(value, Value::Table(_)) && !headed(key, value) {
            // Writing to a `String` cannot fail.
            let _ = writeln!(out, "{key} = {value}");
        }
    }
    for (key, value) in table {
        let path = join(key);
        let (heading, tables) = match value {
            Value::Table(table) => (format!("[{path}]"), vec![table]),
            Value::Array(items) if headed(key, value) => {
                (format!("[[{path}]]"), items.iter().filter_map(Value::as_table).collect())
            }
            _ => continue,
        };
        for table in tables {
            let gap = if out.is_empty() { "" } else { "\n" };
            let _ = writeln!(out, "{gap}{heading}");
            section(out, Some(&path), table);
        }
    }
}

fn headed(key: &str, value: &Value) -> bool {
    value.is_array() && matches!(key, "service" | "rule" | "check" | "webhook" | "certificate")
}
