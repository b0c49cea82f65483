//! What the system allows this process.

use rustix::process::{Resource, getrlimit, setrlimit};

use crate::model::LimitSettings;

/// Files that are no connections: listeners, Redis, probes, logs.
const OTHER_FILES: u64 = 200;
/// Connections that are taken however few files may be open.
const FEWEST: u64 = 64;

/// Raises the limit of open files to the most that is allowed: each client's request may need two. Shells and systemd
/// give 1024 by default, for programs that use `select`.
pub(super) fn raise_open_files() {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return;
    }
    limit.current = limit.maximum;
    match setrlimit(Resource::Nofile, limit) {
        Ok(()) => tracing::debug!(files = ?limit.maximum, "limit of open files raised"),
        Err(error) => tracing::warn!(%error, "the limit of open files stays as it is"),
    }
}

/// The limits with every 0 that stands for a number filled in: each client's connection may need one to a backend, and
/// on each there is one request at a time, as a rule.
pub(super) fn filled_in(limits: LimitSettings) -> LimitSettings {
    let or = |number: u32, other: u32| if number == 0 { other } else { number };
    let max_connections = or(limits.max_connections, connections(getrlimit(Resource::Nofile).current));
    LimitSettings { max_connections, max_requests: or(limits.max_requests, max_connections), ..limits }
}

/// How many connections of clients so many open files are good for; `None`: any number.
fn connections(files: Option<u64>) -> u32 {
    let connections = files.map_or(u64::MAX, |files| files.saturating_sub(OTHER_FILES) / 2);
    u32::try_from(connections.max(FEWEST)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_connection_has_two_files_and_some_are_left_for_the_rest() {
        assert_eq!([Some(1024), Some(1_048_576)].map(connections), [412, 524_188]);
        assert_eq!([Some(0), Some(250), Some(u64::MAX), None].map(connections), [64, 64, u32::MAX, u32::MAX]);
    }
}
