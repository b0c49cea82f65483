//! What the system allows this process.

use rustix::process::{Resource, getrlimit, setrlimit};

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
