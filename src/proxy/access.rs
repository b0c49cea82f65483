//! The access log: a line for each request, by a writer of its own that never makes a request wait.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use tracing_appender::non_blocking::{NonBlocking, WorkerGuard};

use crate::metrics::Class;
use crate::model::{AccessLog, Track};
use crate::table::Backend;

/// Writes to standard output. When the reader of the output falls behind, lines are dropped, not requests delayed.
#[derive(Clone, Debug)]
pub struct AccessWriter {
    out: NonBlocking,
    json: bool,
}

impl AccessWriter {
    /// `None` when the log is off. The guard writes what is left when it is dropped.
    pub fn new(format: AccessLog) -> Option<(Self, WorkerGuard)> {
        let json = match format {
            AccessLog::Off => return None,
            AccessLog::Text => false,
            AccessLog::Json => true,
        };
        let (out, guard) = tracing_appender::non_blocking(std::io::stdout());
        Some((Self { out, json }, guard))
    }

    /// `nanos`: from the request's first byte to its response's last.
    pub(super) fn write(&self, entry: &Entry, backend: Option<&Backend>, class: Class, nanos: u64) {
        let line = Line {
            time: humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
            entry,
            canceled: class == Class::Canceled,
            track: backend.map(|backend| backend.track),
            backend: backend.map(|backend| backend.id.as_str()),
            seconds: Duration::from_nanos(nanos).as_secs_f64(),
        };
        let text = if self.json { line.json() } else { line.text() };
        // A full queue drops the line: the request goes on.
        let _ = self.out.clone().write_all(text.as_bytes());
    }
}

/// What is remembered of a request while it runs. The path has no query: queries carry tokens and passwords.
#[derive(Debug, Serialize)]
pub(super) struct Entry {
    pub(super) client: IpAddr,
    pub(super) method: String,
    pub(super) host: String,
    pub(super) path: String,
    /// 0 while there is none.
    pub(super) status: u16,
    /// Of the response's body.
    pub(super) bytes: u64,
}

#[derive(Serialize)]
struct Line<'a> {
    time: String,
    #[serde(flatten)]
    entry: &'a Entry,
    canceled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    track: Option<Track>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backend: Option<&'a str>,
    seconds: f64,
}

impl Line<'_> {
    fn json(&self) -> String {
        let mut line = serde_json::to_string(self).unwrap_or_default();
        line.push('\n');
        line
    }

    /// `time client method host path status bytes seconds track/backend [canceled]`, `-` for what is not known. What
    /// the client sent is escaped, so that it can't forge a line.
    fn text(&self) -> String {
        let Entry { client, method, host, path, status, bytes } = self.entry;
        let mut line = format!("{} {client} {method} ", self.time);
        let _ = write!(line, "{} {} ", escaped(host), escaped(path));
        let _ = write!(line, "{status} {bytes} {:.6} ", self.seconds);
        match (self.track, self.backend) {
            (Some(track), Some(backend)) => {
                let _ = write!(line, "{track}/{backend}");
            }
            _ => line.push('-'),
        }
        line.push_str(if self.canceled { " canceled\n" } else { "\n" });
        line
    }
}

fn escaped(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { text.replace(' ', "%20").escape_debug().to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_line_has_its_columns_and_nothing_forged() {
        let entry = Entry {
            client: [127, 0, 0, 1].into(),
            method: "GET".to_owned(),
            host: "a\nb".to_owned(),
            path: "/x y".to_owned(),
            status: 200,
            bytes: 5,
        };
        let line = Line {
            time: "T".to_owned(),
            entry: &entry,
            canceled: false,
            track: Some(Track::Canary),
            backend: Some("web2"),
            seconds: 0.25,
        };
        assert_eq!(line.text(), "T 127.0.0.1 GET a\\nb /x%20y 200 5 0.250000 canary/web2\n");
        assert!(line.json().contains(r#""host":"a\nb","path":"/x y","status":200"#));
    }
}
