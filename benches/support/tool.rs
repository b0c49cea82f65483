//! Programs from outside: where they are, and which version they are.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

/// Where `name` is, in `PATH` or among the system's programs, which `PATH` of an ordinary user leaves out.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/local/sbin".into(), "/usr/sbin".into(), "/sbin".into()])
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
}

/// Fails with the names of all that are missing, and the packages that have them.
pub(crate) fn require<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<()> {
    let missing: Vec<&str> = names.into_iter().filter(|name| find(name).is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing.iter().map(|name| package(name)).collect();
    bail!("missing: {}; on Debian: apt-get install {}", missing.join(", "), packages.join(" "))
}

fn package(name: &str) -> &str {
    match name {
        "nginx" => "nginx-light",
        "h2load" => "nghttp2-client",
        "setpriv" | "taskset" => "util-linux",
        other => other,
    }
}

/// The first line that `program arg` says with a digit in it, on either stream.
pub(crate) fn version(program: &Path, arg: &str) -> String {
    let Ok(output) = Command::new(program).arg(arg).output() else {
        return format!("{} (does not run)", program.display());
    };
    [output.stdout, output.stderr]
        .iter()
        .flat_map(|bytes| String::from_utf8_lossy(bytes).lines().map(str::to_owned).collect::<Vec<_>>())
        .find(|line| line.contains(|c: char| c.is_ascii_digit()))
        .unwrap_or_else(|| format!("{} (version unknown)", program.display()))
}

/// The cores, whether pinned away or not, and the kernel.
pub(crate) fn machine() -> String {
    let processors = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cores = processors.lines().filter(|line| line.starts_with("processor")).count();
    let model = processors.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(": unknown processor");
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{cores} cores ({}), Linux {}", model.trim_start_matches(['\t', ' ', ':']), kernel.trim())
}
