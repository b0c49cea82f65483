//! Secrets: never in the configuration, always in a file that it names.

use std::path::Path;

use crate::config::key::Key;
use crate::config::problem::Problems;
use crate::model::Secret;

/// The trimmed contents of the file; `Some(None)` when none is named.
pub(super) fn secret(problems: &mut Problems<'_>, key: &Key, file: &str, directory: &Path) -> Option<Option<Secret>> {
    if file.is_empty() {
        return Some(None);
    }
    let path = directory.join(file);
    match std::fs::read_to_string(&path) {
        Ok(text) if text.trim().is_empty() => {
            problems.refuse(key, file, format!("{} is empty", path.display()), "write the secret into the file")
        }
        Ok(text) => Some(Some(Secret::new(text.trim().to_owned()))),
        Err(error) => problems.refuse(
            key,
            file,
            format!("{} cannot be read: {error}", path.display()),
            "name a readable file, absolute or relative to the configuration file",
        ),
    }
}
