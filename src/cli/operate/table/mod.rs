//! The state of services, for people. Pure. What an answer does not say is left out, so that balancers of other
//! versions can be looked at as well.

use std::fmt::Write;
use std::time::SystemTime;

use serde_json::Value;

/// The services in an answer, or the one that it is about.
pub(super) fn render(answer: &Value, now: SystemTime) -> String {
    let services = answer["services"].as_array().map_or(std::slice::from_ref(answer), Vec::as_slice);
    services.iter().map(|service| section(service, now)).collect::<Vec<_>>().join("\n")
}

/// Text from elsewhere on one line, without what a terminal would obey.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn section(service: &Value, now: SystemTime) -> String {
    let mut lines = vec![format!("service {}", word(&service["name"]))];
    let mut about = |what: &str, text: String| lines.push(format!("  {what:<8} {text}"));
    about("weights", weights(service));
    if let gate @ Value::Object(_) = &service["gate"] {
        about("gate", state(gate, now));
        for (owner, alert) in gate["owners"].as_object().into_iter().flatten() {
            about("alert", format!("{}{}", if owner.is_empty() { "-".to_owned() } else { plain(owner) }, note(alert)));
        }
    }
    match &service["degraded"] {
        Value::Null | Value::Bool(false) => {}
        Value::String(why) => about("degraded", plain(why)),
        _ => about("degraded", "yes".to_owned()),
    }
    for mark in marks(&service["marks"]) {
        about("mark", mark);
    }
    lines.extend(columns(&backends(service, now)));
    lines.join("\n") + "\n"
}

/// `9:1 (the file says 2:1)`.
fn weights(service: &Value) -> String {
    let tracks = &service["tracks"];
    let split = |key: &str| {
        let of = |track: &str| tracks[track][key].as_u64().map(|weight| weight.to_string());
        let both: Vec<String> = ["stable", "canary"].into_iter().filter_map(of).collect();
        both.join(":")
    };
    let (effective, file) = (split("weight"), split("configured_weight"));
    if file.is_empty() || file == effective { effective } else { format!("{effective} (the file says {file})") }
}

/// `ejected for 3m 2s: alert, probe`.
fn state(gate: &Value, now: SystemTime) -> String {
    let mut text = format!("{} for {}", word(&gate["state"]), age(&gate["since"], now));
    let reasons: Vec<_> = gate["reasons"].as_array().into_iter().flatten().map(word).collect();
    if !reasons.is_empty() {
        let _ = write!(text, ": {}", reasons.join(", "));
    }
    text
}

fn marks(marks: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    if let mark @ Value::Object(_) = &marks["weights"] {
        lines.push(format!("weights {}:{}{}", mark["stable"], mark["canary"], note(mark)));
    }
    if let mark @ Value::Object(_) = &marks["ejection"] {
        lines.push(format!("canary ejected by hand{}", note(mark)));
    }
    for (id, mark) in marks["drains"].as_object().into_iter().flatten() {
        let sessions = if mark["keep_sessions"] == true { ", sessions kept" } else { "" };
        lines.push(format!("drain of {}{sessions}{}", plain(id), note(mark)));
    }
    if let lease @ Value::Object(_) = &marks["lease"] {
        lines.push(format!("lease of {} until {}{}", word(&lease["backend"]), word(&lease["until"]), note(lease)));
    }
    for (balancer, mark) in marks["peers"].as_object().into_iter().flatten() {
        lines.push(format!("balancer {} has ejected the canary: {}", plain(balancer), word(&mark["reason"])));
    }
    lines
}

fn backends(service: &Value, now: SystemTime) -> Vec<[String; 7]> {
    let titles = ["track", "backend", "address", "state", "in flight", "for", "reason"];
    let mut rows = vec![titles.map(str::to_owned)];
    for track in ["stable", "canary"] {
        for backend in service["tracks"][track]["backends"].as_array().into_iter().flatten() {
            let mut state = word(&backend["state"]);
            if backend["draining"] == true {
                state += ", draining";
            }
            if let until @ Value::String(_) = &backend["ejected_until"] {
                let _ = write!(state, ", ejected until {}", word(until));
            }
            let [id, address, in_flight] = ["id", "address", "in_flight"].map(|key| word(&backend[key]));
            let since = age(&backend["since"], now);
            rows.push([track.to_owned(), id, address, state, in_flight, since, word(&backend["reason"])]);
        }
    }
    rows
}

/// Rows with every column as wide as its widest cell.
fn columns<const N: usize>(rows: &[[String; N]]) -> Vec<String> {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |row: &[String; N]| {
        let cells: Vec<_> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        format!("  {}", cells.join("  ")).trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// `: error rate (ops)`.
fn note(mark: &Value) -> String {
    let mut text = mark["reason"].as_str().map(|reason| format!(": {}", plain(reason))).unwrap_or_default();
    if let Some(by) = mark["by"].as_str() {
        let _ = write!(text, " ({})", plain(by));
    }
    text
}

/// How long ago, to the second.
fn age(since: &Value, now: SystemTime) -> String {
    let since = since.as_str().and_then(|text| humantime::parse_rfc3339(text).ok());
    let seconds = since.map(|since| now.duration_since(since).unwrap_or_default().as_secs());
    seconds.map_or_else(String::new, |seconds| {
        humantime::format_duration(std::time::Duration::from_secs(seconds)).to_string()
    })
}

fn word(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => plain(text),
        other => plain(&other.to_string()),
    }
}

#[cfg(test)]
mod tests;
