//! Watches what the balancer says of its gate and its backends, and writes down each change.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{Connection, for_a_while};
use crate::timeline::Timeline;

/// Looked at so often.
const PACE: Duration = Duration::from_millis(40);

/// The name under which the gate stands beside the backends.
pub(crate) const GATE: &str = "gate";

/// Ends when dropped.
pub(crate) struct Monitor {
    changes: Arc<Mutex<Vec<Change>>>,
    /// As it said last; empty when it did not answer.
    state: Arc<Mutex<BTreeMap<String, bool>>>,
    go_on: Arc<AtomicBool>,
}

#[derive(Clone, Debug)]
struct Change {
    at: Instant,
    who: String,
    up: bool,
}

impl Monitor {
    pub(crate) fn start(admin: SocketAddr, timeline: Timeline) -> Self {
        let (changes, state) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(BTreeMap::new())));
        let go_on = Arc::new(AtomicBool::new(true));
        let monitor = Self { changes, state, go_on };
        let (changes, state, go_on) = (monitor.changes.clone(), monitor.state.clone(), monitor.go_on.clone());
        thread::spawn(move || {
            let mut last = BTreeMap::new();
            while go_on.load(Ordering::SeqCst) {
                for_a_while(PACE);
                let now = look(admin);
                for (who, up) in now.iter().flatten() {
                    if last.insert(who.clone(), *up).is_some_and(|before| before != *up) {
                        let at = Instant::now();
                        timeline.note_at(at, format!("the balancer: {who} is {}", if *up { "in" } else { "out" }));
                        changes.lock().unwrap().push(Change { at, who: who.clone(), up: *up });
                    }
                }
                *state.lock().unwrap() = now.unwrap_or_default();
            }
        });
        monitor
    }

    /// When `who` first went out since `since`; `since` itself when it is out and has not changed.
    pub(crate) fn out_since(&self, who: &str, since: Instant) -> Option<Instant> {
        let changes = self.changes.lock().unwrap();
        let mut later = changes.iter().filter(|change| change.who == who && change.at >= since);
        match later.find(|change| !change.up) {
            Some(change) => Some(change.at),
            None if self.is_up(who) == Some(false) => Some(since),
            None => None,
        }
    }

    pub(crate) fn is_up(&self, who: &str) -> Option<bool> {
        self.state.lock().unwrap().get(who).copied()
    }

    /// Whether so many things are known, and all are in.
    pub(crate) fn are_all_up(&self, count: usize) -> bool {
        let state = self.state.lock().unwrap();
        state.len() == count && state.values().all(|up| *up)
    }

    pub(crate) fn count_changes(&self) -> usize {
        self.changes.lock().unwrap().len()
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.go_on.store(false, Ordering::SeqCst);
    }
}

/// The gate and the backends of `web`, and whether they are in.
fn look(admin: SocketAddr) -> Option<BTreeMap<String, bool>> {
    let mut connection = Connection::try_open(admin).ok()?;
    connection.try_send("GET /metrics HTTP/1.1\r\nHost: stage\r\nConnection: close\r\n\r\n").ok()?;
    let text = connection.try_receive().ok()?.text();
    let mut found = BTreeMap::new();
    for line in text.lines().filter(|line| line.contains("service=\"web\"")) {
        let Some((series, value)) = line.rsplit_once(' ') else { continue };
        let up = value == "1";
        if series.starts_with("coalmine_gate_admitted{") {
            found.insert(GATE.to_owned(), up);
        } else if series.starts_with("coalmine_backend_up{") {
            let id = series.split_once("backend=\"")?.1.split('"').next()?;
            found.insert(id.to_owned(), up);
        }
    }
    (!found.is_empty()).then_some(found)
}
